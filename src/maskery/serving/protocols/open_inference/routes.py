"""The endpoints, their paths and what the OpenAPI document says of them."""

from collections.abc import Mapping

import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from maskery.core.card import ModelCard
from maskery.core.errors import MaskeryError
from maskery.core.version import __version__
from maskery.serving.http.body import read_unpacked
from maskery.serving.http.json_body import json_response, parsed
from maskery.serving.protocols.base import (
    JSON,
    Operation,
    ParameterSpec,
    Protocol,
    ResponseSpec,
    binary,
    get,
    json_answer,
)
from maskery.serving.protocols.envelope import Failure, Handler
from maskery.serving.protocols.open_inference import model_repository as repository
from maskery.serving.protocols.open_inference.answer import InferAnswer, answer
from maskery.serving.protocols.open_inference.infer_request import OUTPUTS, PROTOCOL, of_picture, parse_request
from maskery.serving.protocols.open_inference.message import HEADER, InferBody, split
from maskery.serving.protocols.open_inference.model_repository import ChangeBody, IndexBody
from maskery.serving.protocols.open_inference.outputs import OutputValue
from maskery.serving.runtime.request import writers_by_name
from maskery.serving.runtime.service import InferenceService

MODEL = "/v2/models/{name}"
VERSION = MODEL + "/versions/{version}"
CHANGE = "/v2/repository/models/{name}"
WRITERS = writers_by_name(OUTPUTS)
OCTETS = "application/octet-stream"


class OpenInferenceError(msgspec.Struct, frozen=True):
    """What is wrong, and the cure."""

    error: str


def protocol(service: InferenceService) -> Protocol:
    """All paths, those of a model with and without its version."""
    ends = OpenInferenceEndpoints(service)
    ready = json_answer(repository.ServerReady) | json_answer(repository.ServerReady, "Some model is not.", 503)
    states = json_answer(list[repository.ModelState])
    operations = [
        get("/v2", ends.server, "Server metadata.", json_answer(repository.ServerMetadata)),
        get("/v2/health/live", ends.live, "The process answers.", json_answer(repository.ServerLive)),
        get("/v2/health/ready", ends.ready, "Every loaded model is right.", ready),
        get("/v2/models", ends.names, "Names of the models.", json_answer(repository.ModelNames)),
        _post("/v2/repository/index", ends.index, "Models and their states.", IndexBody, states),
        _post(CHANGE + "/load", ends.load, "Load a model.", ChangeBody, {200: ResponseSpec()}),
        _post(CHANGE + "/unload", ends.unload, "Unload a model.", ChangeBody, {200: ResponseSpec()}),
    ]
    for prefix in (MODEL, VERSION):
        operations += _of_model(prefix, ends)
    return Protocol(
        name=PROTOCOL,
        tag=PROTOCOL,
        operations=operations,
        envelope=envelope,
        problem=OpenInferenceError,
        prefix="/v2",
    )


def envelope(failure: Failure) -> Response:
    """``{"error": text}``"""
    return json_response(OpenInferenceError(failure.text), failure.status, failure.headers)


class OpenInferenceEndpoints:
    """What answers each path."""

    def __init__(self, service: InferenceService) -> None:
        self.service, self.pool = service, service.pool

    async def server(self, _: Request) -> Response:
        return json_response(repository.ServerMetadata("maskery", __version__, repository.EXTENSIONS))

    async def live(self, _: Request) -> Response:
        return json_response(repository.ServerLive(True))

    async def ready(self, _: Request) -> Response:
        ready = self.pool.ready
        return json_response(repository.ServerReady(ready), 200 if ready else 503)

    async def names(self, _: Request) -> Response:
        return json_response(repository.ModelNames([card.name for card in await self.service.cards()]))

    async def metadata(self, request: Request) -> Response:
        return json_response(repository.metadata(await self._card(request), self.pool.views()))

    async def model_ready(self, request: Request) -> Response:
        card = await self._card(request)
        ready = repository.is_ready(card, self.pool.views())
        return json_response(repository.ModelReady(card.name, ready), 200 if ready else 503)

    async def infer(self, request: Request) -> Response:
        """The pictures of one tensor, each on its own way through the service; then one answer."""
        service, card = self.service, await self._card(request)
        body = await read_unpacked(request, service.settings)
        header = request.headers.get(HEADER)
        ask = await anyio.to_thread.run_sync(lambda: parse_request(split(body, header), card, service.settings))

        async def row(index: int) -> list[OutputValue]:
            try:
                return await service.segment(ask.for_picture(index, card), request)
            except MaskeryError as error:
                raise of_picture(error, index, len(ask.pictures)) from error

        rows = await service.each(row, range(len(ask.pictures)))
        columns = [*zip(*rows, strict=True)]
        return await anyio.to_thread.run_sync(lambda: answer(card, ask.id, ask.asked, columns))

    async def index(self, request: Request) -> Response:
        body = parsed(await self._body(request), IndexBody, "a repository index request")
        await self.service.cards()  # so that those on disk are known
        return json_response(repository.index(self.pool.views(), body.ready))

    async def load(self, request: Request) -> Response:
        repository.check_load(await self._change(request))
        await self.pool.load(request.path_params["name"])
        return Response()

    async def unload(self, request: Request) -> Response:
        repository.check_unload(await self._change(request))
        await self.pool.unload(request.path_params["name"])
        return Response()

    async def _body(self, request: Request) -> bytes:
        return await read_unpacked(request, self.service.settings) or b"{}"

    async def _change(self, request: Request) -> ChangeBody:
        return parsed(await self._body(request), ChangeBody, "a load or unload request")

    async def _card(self, request: Request) -> ModelCard:
        """The card of the path's model. Raises ``UnknownModel``, also for a version that it does not have."""
        version = request.path_params.get("version")
        card = await self.service.card(request.path_params["name"])
        return card if version in (None, card.version) else await self.service.card(f"{card.name}@{version}")


def _post(
    path: str, handler: Handler, summary: str, body: type[msgspec.Struct], answers: Mapping[int, ResponseSpec]
) -> Operation:
    return Operation(
        verb="POST",
        path=path,
        handler=handler,
        summary=summary,
        answers=answers,
        problems=(400, 404, 408, 409, 413, 503),
        body={JSON: body},
        body_required=False,
    )


def _of_model(prefix: str, ends: OpenInferenceEndpoints) -> tuple[Operation, ...]:
    ready = json_answer(repository.ModelReady) | json_answer(repository.ModelReady, "It is not.", 503)
    metadata = json_answer(repository.ModelMetadata)
    infer = Operation(
        verb="POST",
        path=prefix + "/infer",
        handler=ends.infer,
        summary="Segment the pictures of one tensor.",
        description=(
            "Input `image`: BYTES [N] of encoded pictures (in JSON as base64), or UINT8 [H, W, 3] or [N, H, W, 3]. "
            "Without `outputs` the first one of the model's metadata is answered."
        ),
        answers={200: ResponseSpec("OK", {JSON: InferAnswer, OCTETS: binary(OCTETS)})},
        problems=(400, 404, 408, 409, 413, 415, 503),
        parameters=(
            ParameterSpec(
                name=HEADER,
                text="Length of the JSON where binary tensors follow; 0 = the body is a picture.",
                place="header",
            ),
        ),
        body={JSON: InferBody, OCTETS: binary(OCTETS, ends.service.settings.max_bytes)},
    )
    return (
        get(prefix, ends.metadata, "A model's inputs and outputs.", metadata, (), (404, 409)),
        get(prefix + "/ready", ends.model_ready, "Whether the model is loaded and right.", ready, (), (404, 409)),
        infer,
    )
