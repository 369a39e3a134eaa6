"""Hugging Face's image-segmentation task (docs/protocols/hugging-face.md), as ``huggingface_hub`` asks for it."""

from base64 import b64encode
from typing import Annotated, Literal

import anyio.to_thread
import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest, UnknownModel
from maskery.core.plan import Demand
from maskery.core.result.capabilities import HasClassMap, expect
from maskery.encode.raster.mask import class_masks
from maskery.inference.tasks.registry import task_of
from maskery.serving.http.body import ENVELOPE_BYTES, read_body
from maskery.serving.http.json_body import BASE64, from_base64, json_response, looks_like_json, parse_json, too_large
from maskery.serving.protocols.base import JSON, Operation, Protocol, binary, json_answer
from maskery.serving.protocols.envelope import Failure
from maskery.serving.runtime.request import Outcome, SegmentRequest, Writer, writers_by_name
from maskery.serving.runtime.service import InferenceService

NAME, TAG = "hugging-face", "Hugging Face"
HELD_BYTES = 4.0
"""A pixel, while the mask of each class is written."""
Share = Annotated[float, Meta(ge=0, le=1)]


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``threshold``: masks below this score are left out. ``mask_threshold``: probability from which a pixel belongs.

    Both say something of soft masks only; ``overlap_mask_area_threshold`` of instances only, which none here has.
    """

    mask_threshold: Annotated[
        Share | None, Meta(description="Of a soft mask: probability from which a pixel belongs, 0.5.")
    ] = None
    overlap_mask_area_threshold: Annotated[Share | None, Meta(description="Accepted; says nothing of classes.")] = None
    subtask: Annotated[
        Literal["instance", "panoptic", "semantic"] | None, Meta(description="Only semantic is served.")
    ] = None
    threshold: Annotated[Share | None, Meta(description="Of a soft mask: the least score, 0.")] = None


class HuggingFaceBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON body. ``inputs``: the picture as base64 text."""

    inputs: Annotated[str, Meta(description="base64")]
    parameters: Parameters | None = None


class ClassMaskDocument(msgspec.Struct, frozen=True):
    """One mask of the answer. ``score``: null where the model has none."""

    label: str
    mask: Annotated[str, Meta(description="PNG, base64")]
    score: float | None


class HuggingFaceError(msgspec.Struct, frozen=True):
    """What the client shows."""

    error: str


def protocol(service: InferenceService) -> Protocol:
    """One path for every model."""
    picture = binary("image/*", service.settings.max_bytes)
    segment = Operation(
        verb="POST",
        path="/hf/{model:path}",
        handler=HuggingFace(service).segment,
        summary="One mask for each class that occurs, in the pixels of the upright picture.",
        answers=json_answer(list[ClassMaskDocument], "The masks."),
        problems=(400, 404, 408, 409, 413, 415, 503),
        body={"image/*": picture, JSON: HuggingFaceBody},
    )
    return Protocol(name=NAME, tag=TAG, operations=(segment,), envelope=envelope, problem=HuggingFaceError)


class HuggingFace:
    def __init__(self, service: InferenceService) -> None:
        self.service, self.settings = service, service.settings

    async def segment(self, request: Request) -> Response:
        """POST /hf/{model}"""
        model: str = request.path_params["model"]
        if not model:
            raise UnknownModel("The path names no model.", f"Ask /hf/{self.service.pool.default}.")
        expect_fitting(await self.service.card(model))
        data, parameters = await self._read(request)
        segment_request = SegmentRequest(
            source=data,
            answer=MASKS.with_options(parameters),
            model=model,
            demand=Demand(held=HELD_BYTES),
            format="masks",
        )
        body = await self.service.segment(segment_request, request)
        return Response(body, media_type=JSON)

    async def _read(self, request: Request) -> tuple[bytes, Parameters]:
        """The picture's bytes and the parameters. What it is, the body itself says: clients need not send its type."""
        most = self.settings.max_bytes
        body = await read_body(request, int(most * BASE64) + ENVELOPE_BYTES, self.settings.timeout, most)
        if not looks_like_json(body):
            if len(body) > most:
                raise too_large(len(body), most)
            return body, Parameters()
        return await anyio.to_thread.run_sync(read_json, body, most)


def expect_fitting(card: ModelCard) -> None:
    """Raises ``BadRequest`` for a model that has no masks."""
    task = task_of(card)
    if not task.gives(HasClassMap):
        raise BadRequest(f"{card.name} is {task.noun}: it has no masks.", "Ask a model that segments.")


def read_json(body: bytes, max_bytes: int) -> tuple[bytes, Parameters]:
    """The picture's bytes and the parameters of a JSON body. Raises ``BadRequest``, ``TooLarge``."""
    call = parse_json(body, HuggingFaceBody)
    parameters = call.parameters or Parameters()
    if parameters.subtask in ("instance", "panoptic"):
        cure = "Leave subtask out, or ask for semantic: one mask a class."
        raise BadRequest(f"No model here does {parameters.subtask} segmentation.", cure)
    return from_base64(call.inputs, max_bytes), parameters


def encode(served: Outcome, parameters: Parameters) -> bytes:
    """The JSON list of the answer: label, mask as base64 of a PNG, score or null."""
    least = parameters.threshold or 0.0
    by_default = 0.5 if parameters.mask_threshold is None else parameters.mask_threshold
    found = [
        ClassMaskDocument(mask.label, b64encode(mask.png).decode("ascii"), mask.score)
        for mask in class_masks(expect(served.result, HasClassMap), by_default)
        if mask.score is None or mask.score >= least
    ]
    return msgspec.json.encode(found)


MASKS = Writer(f"{NAME}:masks", encode)
WRITERS = writers_by_name(MASKS)


def envelope(failure: Failure) -> Response:
    """``{"error": text}``"""
    return json_response(HuggingFaceError(failure.text), failure.status, failure.headers)
