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
from maskery.core.result.capabilities import HasClassMap, HasInstances, capable
from maskery.encode.object_facts import class_map_of
from maskery.encode.raster.mask import ClassMask, class_masks, object_masks
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

    ``mask_threshold`` says something of soft masks only, ``overlap_mask_area_threshold`` of objects in ``panoptic``.
    """

    mask_threshold: Annotated[
        Share | None, Meta(description="Of a soft mask: probability from which a pixel belongs, 0.5.")
    ] = None
    overlap_mask_area_threshold: Annotated[
        Share | None,
        Meta(
            description="Of objects, panoptic: one of which less than this share is left beside surer ones goes, 0.5."
        ),
    ] = None
    subtask: Annotated[
        Literal["instance", "panoptic", "semantic"] | None,
        Meta(
            description="semantic: a mask a class. instance: a mask an object; they may overlap. panoptic: the same, "
            "each pixel in one mask only. Without it what the model gives."
        ),
    ] = None
    threshold: Annotated[Share | None, Meta(description="Of a soft mask or an object: the least score, 0.")] = None


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
        summary="One mask for each class or object, in the pixels of the upright picture.",
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
        card = await self.service.card(model)
        expect_fitting(card)
        data, parameters = await self._read(request)
        expect_subtask(card, parameters.subtask)
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
    if not (task.gives(HasClassMap) or task.gives(HasInstances)):
        raise BadRequest(f"{card.name} is {task.noun}: it has no masks.", "Ask a model that segments.")


def expect_subtask(card: ModelCard, subtask: str | None) -> None:
    """Raises ``BadRequest`` for objects of a model that finds none."""
    if subtask in ("instance", "panoptic") and not task_of(card).gives(HasInstances):
        cure = "Leave subtask out, or ask for semantic: one mask a class; or ask a model of objects."
        raise BadRequest(f"{card.name} does no {subtask} segmentation.", cure)


def read_json(body: bytes, max_bytes: int) -> tuple[bytes, Parameters]:
    """The picture's bytes and the parameters of a JSON body. Raises ``BadRequest``, ``TooLarge``."""
    call = parse_json(body, HuggingFaceBody)
    return from_base64(call.inputs, max_bytes), call.parameters or Parameters()


def encode(served: Outcome, parameters: Parameters) -> bytes:
    """The JSON list of the answer: label, mask as base64 of a PNG, score or null."""
    least = parameters.threshold or 0.0
    objects = capable(served.result, HasInstances)
    if objects and parameters.subtask != "semantic":
        overlap = 0.5 if parameters.overlap_mask_area_threshold is None else parameters.overlap_mask_area_threshold
        masks = object_masks(objects, least, overlap if parameters.subtask == "panoptic" else None)
        return msgspec.json.encode([_document(mask) for mask in masks])
    by_default = 0.5 if parameters.mask_threshold is None else parameters.mask_threshold
    found = [
        _document(mask)
        for mask in class_masks(class_map_of(served.result), by_default)
        if mask.score is None or mask.score >= least
    ]
    return msgspec.json.encode(found)


def _document(mask: ClassMask) -> ClassMaskDocument:
    return ClassMaskDocument(mask.label, b64encode(mask.png).decode("ascii"), mask.score)


MASKS = Writer(f"{NAME}:masks", encode)
WRITERS = writers_by_name(MASKS)


def envelope(failure: Failure) -> Response:
    """``{"error": text}``"""
    return json_response(HuggingFaceError(failure.text), failure.status, failure.headers)
