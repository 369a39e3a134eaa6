"""The endpoints and their paths."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from maskery.core.card import ModelCard
from maskery.serving.protocols.envelope import Failure, elsewhere, route
from maskery.serving.protocols.open_inference import model_repository as models
from maskery.serving.protocols.open_inference.infer_request import infer
from maskery.serving.runtime.service import InferenceService

MODEL = "/v2/models/{name}"
VERSION = MODEL + "/versions/{version}"
CHANGE = "/v2/repository/models/{name}"


def routes(service: InferenceService) -> list[Route]:
    """All paths of the protocol."""
    ends = OpenInferenceEndpoints(service)
    found = [
        ("/v2", "GET", ends.server),
        ("/v2/health/live", "GET", ends.live),
        ("/v2/health/ready", "GET", ends.ready),
        ("/v2/models", "GET", ends.list),
        ("/v2/repository/index", "POST", ends.index),
        (CHANGE + "/load", "POST", ends.load),
        (CHANGE + "/unload", "POST", ends.unload),
    ]
    for prefix in (MODEL, VERSION):
        found += [
            (prefix, "GET", ends.metadata),
            (prefix + "/ready", "GET", ends.model_ready),
            (prefix + "/infer", "POST", ends.infer),
        ]
    return [*(route(path, {verb: handler}, envelope) for path, verb, handler in found), elsewhere("/v2", envelope)]


def envelope(failure: Failure) -> Response:
    """{"error": text}"""
    return _json({"error": failure.text}, failure.status, failure.headers)


class OpenInferenceEndpoints:
    """What answers each path; ``models`` and ``inference`` do the work."""

    def __init__(self, service: InferenceService) -> None:
        self.service = service

    async def server(self, _: Request) -> Response:
        return _json(models.server())

    async def live(self, _: Request) -> Response:
        return _json({"live": True})

    async def ready(self, _: Request) -> Response:
        ready = self.service.pool.ready
        return _json({"ready": ready}, 200 if ready else 503)

    async def list(self, _: Request) -> Response:
        return _json({"models": [card.name for card in await self.service.cards()]})

    async def metadata(self, request: Request) -> Response:
        return _json(models.metadata(self.service, await self._card(request)))

    async def model_ready(self, request: Request) -> Response:
        card = await self._card(request)
        ready = models.is_ready(self.service, card)
        return _json({"name": card.name, "ready": ready}, 200 if ready else 503)

    async def infer(self, request: Request) -> Response:
        return await infer(self.service, await self._card(request), request)

    async def index(self, request: Request) -> Response:
        return _json(await models.index(self.service, request))

    async def load(self, request: Request) -> Response:
        await models.load(self.service, request.path_params["name"], request)
        return Response()

    async def unload(self, request: Request) -> Response:
        await models.unload(self.service, request.path_params["name"], request)
        return Response()

    async def _card(self, request: Request) -> ModelCard:
        """The card of the path's model. Raises ``UnknownModel``, also for a version that it does not have."""
        version = request.path_params.get("version")
        card = await self.service.card(request.path_params["name"])
        return card if version in (None, card.version) else await self.service.card(f"{card.name}@{version}")


def _json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), status, headers, media_type="application/json")
