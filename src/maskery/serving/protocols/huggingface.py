"""Hugging Face's image-segmentation task (docs/protocols/hugging-face.md), as ``huggingface_hub`` asks for it."""

from base64 import b64encode
from typing import Annotated, Any, Literal

import anyio.to_thread
import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest, UnknownModel
from maskery.core.result.types import ClassificationResult
from maskery.core.settings import Settings
from maskery.encode.raster.mask import class_masks
from maskery.inference.planning.memory_plan import Demand
from maskery.serving.http import schema
from maskery.serving.http.body import ENVELOPE_BYTES, read_body
from maskery.serving.http.json_body import BASE64, from_base64, looks_like_json, parse_json, too_large
from maskery.serving.protocols.envelope import Failure, route
from maskery.serving.runtime.request import Outcome, SegmentRequest, Writer
from maskery.serving.runtime.service import InferenceService

TAG = "Hugging Face"
HELD_BYTES = 4.0
"""A pixel, while the mask of each class is written."""
Share = Annotated[float, Meta(ge=0, le=1)]


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``threshold``: masks below this score are left out. ``mask_threshold``: probability from which a pixel belongs.

    Both say something of soft masks only; ``overlap_mask_area_threshold`` of instances only, which none here has.
    """

    mask_threshold: Share | None = None
    overlap_mask_area_threshold: Share | None = None
    subtask: Literal["instance", "panoptic", "semantic"] | None = None
    threshold: Share | None = None


class HuggingFaceBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON body. ``inputs``: the picture as base64 text."""

    inputs: str
    parameters: Parameters | None = None


def routes(service: InferenceService) -> list[Route]:
    """What is served."""
    return [route("/hf/{model:path}", {"POST": HuggingFace(service).segment}, envelope)]


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
        return Response(body, media_type=schema.JSON)

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
    if card.task == "classification":
        raise BadRequest(f"{card.name} is a classifier: it has no masks.", "Ask a model that segments.")


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
    assert not isinstance(served.result, ClassificationResult), "expect_fitting has seen to it"
    least = parameters.threshold or 0.0
    by_default = 0.5 if parameters.mask_threshold is None else parameters.mask_threshold
    found: list[dict[str, Any]] = [
        {"label": mask.label, "mask": b64encode(mask.png).decode("ascii"), "score": mask.score}
        for mask in class_masks(served.result, by_default)
        if mask.score is None or mask.score >= least
    ]
    return msgspec.json.encode(found)


MASKS = Writer("hugging-face:masks", encode)


def envelope(failure: Failure) -> Response:
    """``{"error": text}``, which the client shows."""
    return Response(
        msgspec.json.encode({"error": failure.text}), failure.status, failure.headers, media_type=schema.JSON
    )


def paths(settings: Settings) -> schema.Json:
    """Path items of the routes."""
    share = schema.NUMBER | {"minimum": 0, "maximum": 1}
    parameters = schema.record(
        {
            "mask_threshold": schema.described(share, "Of a soft mask: probability from which a pixel belongs, 0.5."),
            "overlap_mask_area_threshold": schema.described(share, "Accepted; says nothing of classes."),
            "subtask": {"enum": ["semantic", "panoptic", "instance"], "description": "Only semantic is served."},
            "threshold": schema.described(share, "Of a soft mask: the least score, 0."),
        },
        [],
    )
    picture = schema.raw("image/*", settings.max_bytes)
    call = schema.record({"inputs": schema.described(schema.TEXT, "base64"), "parameters": parameters}, ["inputs"])
    mask = {
        "label": schema.TEXT,
        "mask": schema.described(schema.TEXT, "PNG, base64"),
        "score": {"type": ["number", "null"]},
    }
    problems = {400: "Not a picture, or not such a parameter.", 404: "No such model.", 413: "Too much.", 503: "Busy."}
    operation = schema.operation(
        TAG,
        "One mask for each class that occurs, in the pixels of the upright picture.",
        schema.answer("The masks.", schema.array(schema.record(mask))),
        schema.errors(schema.record({"error": schema.TEXT}), problems),
        [{"name": "model", "in": "path", "required": True, "schema": schema.TEXT | {"example": settings.model[0]}}],
        {"required": True, "content": {"image/*": {"schema": picture}, schema.JSON: {"schema": call}}},
    )
    return {"/hf/{model}": {"post": operation}}
