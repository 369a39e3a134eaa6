"""What a JSON answer consists of, in the order of its keys; the OpenAPI document is made of the same types."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType


class SizeDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pixels."""

    width: int
    height: int


class ScaleDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Working pixels per pixel of the picture."""

    x: float
    y: float


class PaddingDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Working pixels beside the picture."""

    left: int
    top: int
    right: int
    bottom: int


class FrameDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How the picture lay before the model.

    Attributes:
        original: The upright picture.
        orientation: The EXIF tag that was applied, 1 = none.
        working: What the model saw, padding included.
        scale: Of the picture, inside of that.
        padding: Beside it.
        answer: The answer's own grid, where it is not the picture's pixels.
    """

    original: SizeDocument
    orientation: int
    working: SizeDocument
    scale: ScaleDocument
    padding: PaddingDocument
    answer: SizeDocument | UnsetType = UNSET


class ModelReference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which model answered; the hash is of its file."""

    name: str
    version: str
    sha256: str


class TilesDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Side of a tile and least overlap of neighbours, in pixels of the picture; how many tiles."""

    side: int
    overlap: int
    count: int


class FaceDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A face that was looked at: left, top, right, bottom of it and of its crop, in pixels of the picture."""

    box: list[float]
    score: float
    crop: list[float]


class PlanDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How the picture was worked on.

    Attributes:
        decode: As a whole, reduced, or in bands of rows.
        working: The size that the model sees, of one tile where there are tiles.
        tiles: Those that the picture was cut into; null = it was not.
        estimated_mb: The estimated peak of memory, in MiB.
        budget_mb: What it had to stay within, in MiB; null = no limit.
        changed: What is not as asked, and why; empty where all is.
        faces: Those that were looked at, surest first, of a model that looks at one face at a time.
    """

    decode: str
    working: SizeDocument
    tiles: TilesDocument | None
    estimated_mb: int
    budget_mb: int | None
    changed: str
    faces: list[FaceDocument] | UnsetType = UNSET


class ClassDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One class that occurs.

    Attributes:
        id: Of the class: the value of its pixels in a mask.
        name: Of the class.
        color: Of the class, #rrggbb.
        pixels: How many pixels of the upright picture it has.
        share: Of the picture, 0 to 1.
        box: Left, top inclusive; right, bottom exclusive; in pixels of the upright picture.
        components: The number of pieces whose pixels touch by their sides.
    """

    id: int
    name: str
    color: str
    pixels: int
    share: float
    box: list[int]
    components: int | UnsetType = UNSET


class RunLengths(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mask of the whole picture as COCO writes it: ``size`` [height, width]; ``counts``, its text or the lengths of
    runs column by column, zeros first.
    """

    size: list[int]
    counts: str | list[int]


class ObjectDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One object that was found.

    Attributes:
        id: Of the object, within the answer, from 1.
        name: Of its class.
        class_id: Of its class.
        score: 0 to 1.
        track_id: Of the same object in other pictures of a video.
        color: In which it is drawn, #rrggbb.
        box: Left, top, right, bottom in pixels of the upright picture.
        area: How many pixels of the upright picture it has; of a model that gives boxes only, those of its box.
        mask: Its pixels, in the answer's own grid; null of a model that gives boxes only; not in a summary.
    """

    id: int
    name: str = msgspec.field(name="class")
    class_id: int
    score: float
    track_id: int | UnsetType = UNSET
    color: str
    box: list[float]
    area: int
    mask: RunLengths | UnsetType | None = UNSET


class ScoreDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A class of a classifier; score 0 to 1."""

    name: str
    score: float


class ImageDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A picture as base64 text."""

    media_type: str
    base64: str


class SegmentationDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The formats ``json`` and ``summary``.

    Attributes:
        software: Maskery and its version.
        model: Which model answered.
        frame: How the picture lay before it.
        task: What the model does.
        plan: How the picture was worked on.
        note: What the caller should know: that no face was found, say.
        top: The first classes of a classifier.
        decided_by: How a pixel's class was decided.
        measured_on: The grid on which a summary was decided.
        classes: Those that occur, most pixels first.
        objects: Those that were found, surest first; of a model that is asked by clicks or a box, the candidates.
        timings_ms: Milliseconds by stage.
        mask: An indexed PNG, pixel value = class id.
        alpha: A grey PNG, of a foreground model.
    """

    software: str
    model: ModelReference
    frame: FrameDocument
    task: str
    plan: PlanDocument | UnsetType = UNSET
    note: str | UnsetType = UNSET
    top: list[ScoreDocument] | UnsetType = UNSET
    decided_by: str | UnsetType = UNSET
    measured_on: SizeDocument | UnsetType = UNSET
    classes: list[ClassDocument] | UnsetType = UNSET
    objects: list[ObjectDocument] | UnsetType = UNSET
    timings_ms: dict[str, float]
    mask: ImageDocument | UnsetType = UNSET
    alpha: ImageDocument | UnsetType = UNSET


def encode_document(found: Mapping[str, Any]) -> bytes:
    """UTF-8 JSON of an answer's parts, which must be those of ``SegmentationDocument``, in its order.

    Raises ``msgspec.ValidationError`` for a part that it does not have.
    """
    return msgspec.json.encode(msgspec.convert(found, SegmentationDocument))
