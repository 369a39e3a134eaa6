"""The native API: its endpoints and what the OpenAPI document says of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from maskery.core.card import MOST_OBJECTS, ModelCard
from maskery.core.errors import BadRequest, MaskeryError, Unchanged
from maskery.core.settings import Settings
from maskery.encode.document import SegmentationDocument
from maskery.encode.options import HELP
from maskery.encode.registry import ENCODERS, find
from maskery.inference.tasks.registry import TASKS, model_of_task, task_of
from maskery.models.store import is_path
from maskery.serving.http.body import FIELD, read_body
from maskery.serving.http.json_body import json_response
from maskery.serving.http.problems import MEDIA_TYPE, STATUS, Problem
from maskery.serving.protocols.base import (
    JSON,
    Content,
    FormSpec,
    Operation,
    ParameterSpec,
    Protocol,
    ResponseSpec,
    binary,
    json_answer,
)
from maskery.serving.protocols.envelope import problem_envelope
from maskery.serving.protocols.native import interact, segment_answer
from maskery.serving.protocols.native.model_list import ModelChange, ModelDocument, ModelList, change_of, document_of
from maskery.serving.protocols.native.native_request import (
    DEFAULT_FORMAT,
    URL,
    PictureSource,
    SegmentBody,
    SegmentParameters,
    picture_bytes,
    read,
)
from maskery.serving.protocols.native.segment_answer import EncodedAnswer, PictureAnswer, PictureAnswers
from maskery.serving.runtime.request import writers_by_name
from maskery.serving.runtime.service import InferenceService

WRITERS = writers_by_name(segment_answer.FILE, interact.CANDIDATES, interact.WARM)
PROBLEMS = tuple(sorted({status for _, status in STATUS}))
MODEL = "/v1/models/{name}"
MODEL_HEADER = "Maskery-Model"
"""Says which model a task has chosen, beside the answer's own provenance."""


def protocol(service: InferenceService) -> Protocol:
    """Served always."""
    endpoints, settings = NativeEndpoints(service), service.settings
    return Protocol(
        name="native",
        tag="segment",
        operations=(
            *_segment_operations(endpoints, settings),
            interact.interact_operation(interact.InteractEndpoint(service), settings, PROBLEMS),
            *_model_operations(endpoints),
        ),
        envelope=problem_envelope,
        problem=Problem,
        problem_type=MEDIA_TYPE,
        answers_options=False,
    )


class NativeEndpoints:
    """What answers each path."""

    def __init__(self, service: InferenceService) -> None:
        self.service, self.pool = service, service.pool

    async def segment(self, request: Request) -> Response:
        """One picture in the format asked for, or several as a JSON list."""
        asked = await read(request, self.service.settings)
        card = await self._card(asked.ask)
        if asked.ask.task:
            asked = replace(asked, ask=replace(asked.ask, model=f"{card.name}@{card.version}"))
        encoder = find(asked.ask.format, task_of(card))
        if asked.several:
            return await self._several(request, asked.ask, asked.pictures)
        data = await self._bytes(asked.pictures[0])
        etag = await segment_answer.etag(data, asked.ask, card)
        headers = {"Vary": "Accept", "ETag": etag}
        try:
            segment_answer.expect_changed(request, etag)
        except Unchanged:
            if request.method == "GET":
                return Response(status_code=304, headers=headers)
            raise
        answer = await self._one(request, asked.ask, data)
        headers |= answer.headers() | ({MODEL_HEADER: card.name} if asked.ask.task else {})
        return Response(answer.body, media_type=encoder.media_type, headers=headers)

    async def _card(self, parameters: SegmentParameters) -> ModelCard:
        """Of the model that is named, or of the first one that has the task. Raises as ``model_of_task`` does."""
        if parameters.task is None:
            return await self.service.card(parameters.model)
        return model_of_task(parameters.task, await self.service.cards())

    async def models(self, _: Request) -> Response:
        """The cards of all models that can answer, the default first."""
        cards = await self.service.cards()
        return json_response(ModelList(self.pool.default, [document_of(card) for card in cards]))

    async def model(self, request: Request) -> Response:
        """One card."""
        return json_response(document_of(await self.service.card(request.path_params["name"])))

    async def load(self, request: Request) -> Response:
        """Load a model; of no effect where it is loaded."""
        await self._expect_no_body(request)
        return json_response(change_of(await self.pool.load(request.path_params["name"])))

    async def unload(self, request: Request) -> Response:
        """Unload a model once no request holds it; of no effect where it is not loaded."""
        await self._expect_no_body(request)
        return json_response(change_of(await self.pool.unload(request.path_params["name"])))

    async def _bytes(self, picture: bytes | PictureSource) -> bytes:
        return await picture_bytes(picture, self.service.fetch, self.service.settings.max_bytes)

    async def _one(self, request: Request, parameters: SegmentParameters, data: bytes) -> EncodedAnswer:
        return await self.service.segment(segment_answer.request_of(parameters, data), request)

    async def _several(
        self, request: Request, parameters: SegmentParameters, pictures: list[bytes | PictureSource]
    ) -> Response:
        """Each picture with its own status."""

        async def one(picture: bytes | PictureSource) -> PictureAnswer:
            outcome: EncodedAnswer | MaskeryError
            try:
                outcome = await self._one(request, parameters, await self._bytes(picture))
            except MaskeryError as error:
                outcome = error
            return segment_answer.one_of_several(picture, outcome, parameters.format)

        answers = PictureAnswers(await self.service.each(one, pictures))
        return json_response(answers, headers={"Vary": "Accept"})

    async def _expect_no_body(self, request: Request) -> None:
        if (await read_body(request, 1024, self.service.settings.timeout)).strip() not in (b"", b"{}"):
            raise BadRequest("Loading and unloading take no body.", "Send the request without one.")


def _segment_operations(endpoints: NativeEndpoints, settings: Settings) -> tuple[Operation, ...]:
    parameters = _parameters(settings)
    picture = binary("image/*", settings.max_bytes)
    raw: Content = dict.fromkeys(("image/jpeg", "image/png", "application/octet-stream"), picture)
    url = ParameterSpec(
        name=URL, text="Address of the picture, http or https; docs/security.md has the rules.", required=True
    )
    post = Operation(
        verb="POST",
        path="/v1/segment",
        handler=endpoints.segment,
        id="segment",
        summary="Segment one picture, or several.",
        description=(
            f"JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF, at most {settings.max_bytes:,} bytes and "
            f"{settings.max_pixels:,} pixels; as the body, whatever its Content-Type, as form field `image`, or in "
            f"JSON as base64 or by URL. Several (at most {settings.max_pictures}; fields `image`, `images` in JSON) "
            "are answered by a JSON list `results`, each with a status and its result or problem."
        ),
        parameters=parameters,
        body={**raw, "multipart/form-data": FormSpec(FIELD), JSON: SegmentBody},
        answers={200: _answer(several=True)},
        problems=PROBLEMS,
    )
    get = Operation(
        verb="GET",
        path="/v1/segment",
        handler=endpoints.segment,
        id="segment_url",
        summary="Segment a picture by its address.",
        parameters=(url, *parameters),
        answers={200: _answer(several=False), 304: ResponseSpec("If-None-Match names this very answer.")},
        problems=PROBLEMS,
    )
    return post, get


def _answer(several: bool) -> ResponseSpec:
    """The formats by media type; of the JSON ones the plain one is described."""
    content: dict[str, Any] = {}
    for encoder in ENCODERS.values():
        content.setdefault(encoder.media_type, binary(encoder.media_type))
    content[JSON] = (SegmentationDocument, PictureAnswers) if several else SegmentationDocument
    return ResponseSpec("The answer in the format asked for.", content)


def _parameters(settings: Settings) -> Sequence[ParameterSpec]:
    """The table of the query, as OpenAPI has it."""
    side, tile = Annotated[int, Meta(ge=1)], Annotated[int, Meta(ge=0)]
    share, count = Annotated[float, Meta(ge=0, le=1)], Annotated[int, Meta(ge=1, le=MOST_OBJECTS)]
    formats = {"type": "string", "enum": list(ENCODERS), "default": DEFAULT_FORMAT}
    return (
        ParameterSpec(
            name="model",
            text="A name of GET /v1/models; the default model without.",
            kind={"type": "string"} if is_path(settings.model[0]) else {"type": "string", "default": settings.model[0]},
        ),
        ParameterSpec(
            name="task",
            text="In the place of a model: the first model that has this task; the header Maskery-Model names it.",
            kind={"type": "string", "enum": [task.name for task in TASKS.values() if task.results is not None]},
        ),
        ParameterSpec(
            name="format",
            text="What to answer. Without it the Accept header decides (image/png = mask, image/png;format=overlay), "
            "else json. mask: indexed PNG, pixel value = class id.",
            kind=formats,
        ),
        ParameterSpec(name="classes", text="Keep only these classes, separated by commas: person,dog"),
        ParameterSpec(
            name="max_side",
            text="Longest side, in pixels, of what the model sees, within the card's bounds.",
            kind=side,
        ),
        ParameterSpec(
            name="tile",
            text="Side, in pixels of the picture, of the overlapping tiles that it is cut into, each worked on by "
            "itself; 0 = none. Without it pictures of more than 100 megapixels are cut.",
            kind=tile,
        ),
        ParameterSpec(
            name="score",
            text="Of single objects, those with a lower score are left out; without it the model's own limit counts.",
            kind=share,
        ),
        ParameterSpec(
            name="overlap",
            text="Two objects of one class whose boxes overlap by more (intersection over union) are one.",
            kind=share,
        ),
        ParameterSpec(name="max_objects", text="At most so many objects, the surest.", kind=count),
        *(
            ParameterSpec(name=name, text=f"{text} For {takers}.")
            for name, text in HELP.items()
            if (takers := _takers(name))
        ),
    )


def _takers(option: str) -> str:
    return ", ".join(encoder.name for encoder in ENCODERS.values() if option in encoder.options)


def _model_operations(endpoints: NativeEndpoints) -> tuple[Operation, ...]:
    table: tuple[tuple[Any, ...], ...] = (
        ("GET", "/v1/models", endpoints.models, "The models that can answer, the default first.", ModelList, ()),
        ("GET", MODEL, endpoints.model, "The card of one model.", ModelDocument, (404, 409)),
        ("POST", MODEL + "/load", endpoints.load, "Load a model.", ModelChange, PROBLEMS),
        (
            "POST",
            MODEL + "/unload",
            endpoints.unload,
            "Unload a model once no request holds it.",
            ModelChange,
            PROBLEMS,
        ),
    )
    return tuple(
        Operation(
            verb=verb,
            path=path,
            handler=handler,
            summary=summary,
            answers=json_answer(kind),
            problems=problems,
            tag="models",
        )
        for verb, path, handler, summary, kind, problems in table
    )
