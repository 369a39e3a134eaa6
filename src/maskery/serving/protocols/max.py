"""The ``X-Fields`` header of flask-restx services: which fields of a flat JSON object the caller wants.

The API of IBM's MAX-Image-Segmenter (docs/protocols/max.md): a form with a picture in, nested lists of ids out.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest, ConfigError
from maskery.core.labels import VOC
from maskery.core.picture.decode import Picture
from maskery.core.result.types import ClassificationResult
from maskery.core.settings import Settings
from maskery.encode.nested import encode_map
from maskery.encode.raster.mask import as_semantic
from maskery.inference.pipeline import RunOptions
from maskery.models.store import Store
from maskery.serving.http import request_log, schema
from maskery.serving.http.body import read_form
from maskery.serving.protocols.envelope import Failure, route
from maskery.serving.runtime.request import Outcome, SegmentRequest, Writer
from maskery.serving.runtime.service import InferenceService

NAME = re.compile(r"[\w:*-]+")


def masked(fields: dict[str, Any], text: str | None) -> dict[str, Any]:
    """Those of ``fields`` that ``text`` names, in its order: ``{id,name}``, ``id,name``, ``*``; all without text.

    Names that there are not are left out, as flask-restx does. Raises ``BadRequest`` in its words for a mask that is
    broken or looks into fields, none of which has an inside.
    """
    if text is None or not text.strip():
        return fields
    inner = text.strip()
    if inner.startswith("{"):
        if not inner.endswith("}"):
            raise BadRequest("Mask parse error: Missing closing bracket", "Write X-Fields: {id,name}.")
        inner = inner[1:-1]
    if "{" in inner or "}" in inner:
        raise BadRequest("Mask error: Mask is inconsistent with model", "Write X-Fields: {id,name}.")
    *before, last = inner.split(",")
    if not all(NAME.search(part) for part in before):
        raise BadRequest("Mask parse error: Unexpected comma", "Write X-Fields: {id,name}.")
    wanted = [name for part in (*before, last) for name in NAME.findall(part)]
    chosen = {name: fields[name] for name in wanted if name in fields}
    return chosen | {k: v for k, v in fields.items() if k not in chosen} if "*" in wanted else chosen


TAG = "MAX"
FIELD = "image"
SWAGGER = Path(__file__).with_name("max_swagger.json")

# The original's words, spelt as there.
NOT_AN_IMAGE = "The provided input is not a valid image."
FIELD_MISSING = {
    "errors": {
        FIELD: "An image file (encoded as PNG or JPG/JPEG) Missing required parameter in an uploaded file",
    },
    "message": "Input payload validation failed",
}
METADATA = {
    "id": "max-image-segmenter",
    "name": "MAX Image Segmenter",
    "description": "DeepLab TensorFlow model for semantic image segmentation, trained on VOCO 2012",
    "type": "Object Detection",
    "source": "https://developer.ibm.com/exchanges/models/all/max-image-segmenter",
    "license": "Apache v2",
}


def routes(service: InferenceService) -> list[Route]:
    """What is served. Raises ``ConfigError`` where the server stands in for MAX with a model of other labels."""
    if service.settings.drop_in == "max":
        expect_labels(Store(service.settings).locate(service.settings.model[0]).card)
    api = Max(service)
    return [
        route("/model/predict", {"POST": api.predict}, envelope),
        route("/model/labels", {"GET": api.labels}, envelope),
        route("/model/metadata", {"GET": api.metadata}, envelope),
        route("/swagger.json", {"GET": api.swagger}, envelope),
    ]


def expect_labels(card: ModelCard) -> None:
    """Raises ``ConfigError`` for a model whose ids mean something else than MAX's."""
    if card.task != "semantic" or tuple(card.labels) != VOC:
        raise ConfigError(
            f"{card.name} does not have the 21 classes of MAX-Image-Segmenter.",
            "Choose a --model with the Pascal VOC labels, or serve without --max.",
        )


class Max:
    def __init__(self, service: InferenceService) -> None:
        self.service, self.settings = service, service.settings

    async def predict(self, request: Request) -> Response:
        """POST /model/predict"""
        form = await read_form(request, self.settings.max_bytes, self.settings.timeout)
        pictures = [data for name, data in form.files if name == FIELD]
        if not pictures:
            request_log.current().problem = BadRequest.code
            return _json(FIELD_MISSING, 400)
        wanted = masked(dict.fromkeys(("status", "image_size", "seg_map")), request.headers.get("x-fields"))
        segment_request = SegmentRequest(
            source=pictures[0],
            answer=FIELDS.with_options(None),
            run_options=self._run_options,
            upright=False,
            format="nested",
        )
        fields = await self.service.segment(segment_request, request)
        return _json({name: fields[name] for name in wanted})

    async def labels(self, _: Request) -> Response:
        """GET /model/labels"""
        card = await self.service.card()
        return _json([{"id": id, "name": name} for id, name in enumerate(card.labels)])

    async def metadata(self, request: Request) -> Response:
        """GET /model/metadata"""
        card = await self.service.card()
        fields = METADATA if self.settings.drop_in == "max" else about(card)
        return _json(masked(dict(fields), request.headers.get("x-fields")))

    async def swagger(self, _: Request) -> Response:
        """GET /swagger.json"""
        return Response(SWAGGER.read_bytes(), media_type=schema.JSON)

    def _run_options(self, picture: Picture) -> RunOptions:
        return RunOptions(answer_wh=map_size(picture.size_wh, self.settings.map_side))


def map_size(size_wh: tuple[int, int], side: int) -> tuple[int, int]:
    """(width, height) of the map of a picture: the longest side becomes ``side``, the other is cut off, not rounded."""
    ratio = side / max(size_wh)
    return max(1, int(ratio * size_wh[0])), max(1, int(ratio * size_wh[1]))


def answer(served: Outcome, _: None = None) -> dict[str, Any]:
    """The fields of the answer to predict; the map is JSON already."""
    if isinstance(served.result, ClassificationResult):
        raise BadRequest(f"{served.card.name} is a classifier: it has no map.", "Serve a segmentation model.")
    ids = as_semantic(served.result).class_map
    return {"status": "ok", "image_size": list(ids.shape[::-1]), "seg_map": msgspec.Raw(encode_map(ids))}


FIELDS = Writer("max:fields", answer)


def about(card: ModelCard) -> dict[str, str]:
    """The metadata of a model that is not MAX's own."""
    return {
        "id": card.name,
        "name": card.name,
        "description": card.description,
        "type": "Semantic Segmentation" if card.task == "semantic" else card.task.capitalize(),
        "source": card.url or "built into the server",
        "license": card.licence.name,
    }


def envelope(failure: Failure) -> Response:
    """Errors as MAX words them: a picture that cannot be read is 400 with its sentence, whatever was wrong with it."""
    if failure.code in ("damaged-picture", "unsupported-picture"):
        return _json({"message": NOT_AN_IMAGE}, 400, failure.headers)
    return _json({"message": failure.text}, failure.status, failure.headers)


def _json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), status, headers, media_type=schema.JSON)


def paths(settings: Settings) -> schema.Json:
    """Path items of the routes."""
    label = schema.record({"id": schema.INTEGER, "name": schema.TEXT})
    about_model = schema.record(dict.fromkeys(METADATA, schema.TEXT))
    mask = schema.header("X-Fields", "Only these fields of the answer: `{id,name}`.")
    return {
        "/model/predict": {"post": _predict(settings, mask)},
        "/model/labels": {
            "get": schema.operation(TAG, "The classes, by id.", schema.answer("A bare list.", schema.array(label)))
        },
        "/model/metadata": {
            "get": schema.operation(TAG, "The model.", schema.answer("Texts.", about_model), parameters=[mask])
        },
        "/swagger.json": {
            "get": schema.operation(TAG, "This API as Swagger 2.0.", schema.answer("It.", {"type": "object"}))
        },
    }


def _predict(settings: Settings, mask: schema.Json) -> schema.Json:
    map_of_ids = schema.array(schema.array(schema.INTEGER))
    size = schema.described(schema.array(schema.INTEGER), "Width and height of the map.")
    found = schema.record({"status": schema.TEXT, "image_size": size, "seg_map": map_of_ids})
    wrong = schema.record({"message": schema.TEXT, "errors": {"type": "object"}}, ["message"])
    text = f"The map's longest side is {settings.map_side} pixels; EXIF orientation is ignored."
    problems = {400: "No picture, or none that can be read.", 413: "Too many bytes or pixels.", 503: "Busy."}
    return schema.operation(
        TAG,
        "The class id of every pixel, as nested lists.",
        schema.answer(text, found),
        schema.errors(wrong, problems),
        [mask],
        schema.form({FIELD: schema.raw("image/*", settings.max_bytes)}, [FIELD]),
    )
