"""The API of IBM's MAX-Image-Segmenter (docs/protocols/max.md): a form with a picture in, nested lists of ids out."""

import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest, ConfigError
from maskery.core.labels import VOC
from maskery.core.picture.decode import Picture
from maskery.core.plan import RunOptions
from maskery.core.result.capabilities import HasClassMap, capable
from maskery.encode.text import encode_map
from maskery.inference.tasks.registry import task_of
from maskery.models.store import Store
from maskery.serving.http import request_log
from maskery.serving.http.body import read_form
from maskery.serving.http.json_body import json_response
from maskery.serving.protocols.base import (
    JSON,
    FormSpec,
    Operation,
    ParameterSpec,
    Protocol,
    get,
    json_answer,
)
from maskery.serving.protocols.envelope import Failure
from maskery.serving.runtime.request import Outcome, SegmentRequest, Writer, writers_by_name
from maskery.serving.runtime.service import InferenceService

NAME, TAG = "max", "MAX"
FIELD = "image"
FIELD_NAME = re.compile(r"[\w:*-]+")
SWAGGER = Path(__file__).with_name("max_swagger.json")

# The original's words, spelt as there.
NOT_AN_IMAGE = "The provided input is not a valid image."
ROWS = {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}


class LabelDocument(msgspec.Struct, frozen=True):
    """One class."""

    id: int
    name: str


class MetadataDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The model, in MAX's words.

    Attributes:
        id: Its name.
        name: Its name.
        description: One sentence.
        type: What it does.
        source: Where it comes from.
        license: Of the weights.
    """

    id: str
    name: str
    description: str
    type: str
    source: str
    license: str


METADATA = MetadataDocument(
    id="max-image-segmenter",
    name="MAX Image Segmenter",
    description="DeepLab TensorFlow model for semantic image segmentation, trained on VOCO 2012",
    type="Object Detection",
    source="https://developer.ibm.com/exchanges/models/all/max-image-segmenter",
    license="Apache v2",
)


class MapDocument(msgspec.Struct, frozen=True):
    """The answer to predict; the ids are JSON already, rows of columns."""

    status: str
    image_size: Annotated[list[int], Meta(description="Width and height of the map.")]
    seg_map: Annotated[msgspec.Raw, Meta(extra_json_schema=ROWS)]


class MaxError(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``errors``: text by field, where one is missing."""

    errors: dict[str, str] | UnsetType = UNSET
    message: str


FIELD_MISSING = MaxError(
    errors={FIELD: "An image file (encoded as PNG or JPG/JPEG) Missing required parameter in an uploaded file"},
    message="Input payload validation failed",
)


def protocol(service: InferenceService) -> Protocol:
    """Raises ``ConfigError`` where the server stands in for MAX with a model of other labels."""
    if service.settings.drop_in == "max":
        expect_labels(Store(service.settings).locate(service.settings.model[0]).card)
    api, side = Max(service), service.settings.map_side
    fields = ParameterSpec(name="X-Fields", text="Only these fields of the answer: `{id,name}`.", place="header")
    predict = Operation(
        verb="POST",
        path="/model/predict",
        handler=api.predict,
        summary="The class id of every pixel, as nested lists.",
        answers=json_answer(MapDocument, f"The map's longest side is {side} pixels; EXIF orientation is ignored."),
        problems=(400, 408, 413, 503),
        parameters=(fields,),
        body={"multipart/form-data": FormSpec(FIELD)},
    )
    labels = get("/model/labels", api.labels, "The classes, by id.", json_answer(list[LabelDocument], "A bare list."))
    metadata = get("/model/metadata", api.metadata, "The model.", json_answer(MetadataDocument, "Texts."), (fields,))
    swagger = get("/swagger.json", api.swagger, "This API as Swagger 2.0.", json_answer(dict[str, Any], "It."))
    operations = (predict, labels, metadata, swagger)
    return Protocol(name=NAME, tag=TAG, operations=operations, envelope=envelope, problem=MaxError)


def expect_labels(card: ModelCard) -> None:
    """Raises ``ConfigError`` for a model whose ids mean something else than MAX's."""
    if not task_of(card).gives(HasClassMap) or tuple(card.labels) != VOC:
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
            return json_response(FIELD_MISSING, 400)
        wanted = masked(dict.fromkeys(MapDocument.__struct_fields__), request.headers.get("x-fields"))
        segment_request = SegmentRequest(
            source=pictures[0],
            answer=FIELDS.with_options(None),
            run_options=self._run_options,
            upright=False,
            format="nested",
        )
        found = await self.service.segment(segment_request, request)
        return json_response({name: getattr(found, name) for name in wanted})

    async def labels(self, _: Request) -> Response:
        """GET /model/labels"""
        card = await self.service.card()
        return json_response([LabelDocument(id, name) for id, name in enumerate(card.labels)])

    async def metadata(self, request: Request) -> Response:
        """GET /model/metadata"""
        card = await self.service.card()
        fields = METADATA if self.settings.drop_in == "max" else about(card)
        return json_response(masked(msgspec.structs.asdict(fields), request.headers.get("x-fields")))

    async def swagger(self, _: Request) -> Response:
        """GET /swagger.json"""
        return Response(SWAGGER.read_bytes(), media_type=JSON)

    def _run_options(self, picture: Picture) -> RunOptions:
        return RunOptions(answer_wh=map_size(picture.size_wh, self.settings.map_side))


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
    if not all(FIELD_NAME.search(part) for part in before):
        raise BadRequest("Mask parse error: Unexpected comma", "Write X-Fields: {id,name}.")
    wanted = [name for part in (*before, last) for name in FIELD_NAME.findall(part)]
    chosen = {name: fields[name] for name in wanted if name in fields}
    return chosen | {k: v for k, v in fields.items() if k not in chosen} if "*" in wanted else chosen


def map_size(size_wh: tuple[int, int], side: int) -> tuple[int, int]:
    """(width, height) of the map of a picture: the longest side becomes ``side``, the other is cut off, not rounded."""
    ratio = side / max(size_wh)
    return max(1, int(ratio * size_wh[0])), max(1, int(ratio * size_wh[1]))


def answer(served: Outcome, _: None = None) -> MapDocument:
    """The answer to predict."""
    mapped = capable(served.result, HasClassMap)
    if mapped is None:
        noun = task_of(served.card).noun
        raise BadRequest(f"{served.card.name} is {noun}: it has no map.", "Serve a segmentation model.")
    ids = mapped.class_map
    return MapDocument("ok", list(ids.shape[::-1]), msgspec.Raw(encode_map(ids)))


FIELDS = Writer(f"{NAME}:fields", answer)
WRITERS = writers_by_name(FIELDS)


def about(card: ModelCard) -> MetadataDocument:
    """The metadata of a model that is not MAX's own."""
    return MetadataDocument(
        id=card.name,
        name=card.name,
        description=card.description,
        type=task_of(card).title,
        source=card.url or "built into the server",
        license=card.licence.name,
    )


def envelope(failure: Failure) -> Response:
    """Errors as MAX words them: a picture that cannot be read is 400 with its sentence, whatever was wrong with it."""
    if failure.code in ("damaged-picture", "unsupported-picture"):
        return json_response(MaxError(message=NOT_AN_IMAGE), 400, failure.headers)
    return json_response(MaxError(message=failure.text), failure.status, failure.headers)
