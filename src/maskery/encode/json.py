"""A result as JSON: classes with area, share, box and number of connected pieces; and the masks as base64 PNG.

The result may have been decided on fewer pixels than the picture has; areas and boxes are then scaled to the picture's.
"""

import math
from base64 import b64encode
from typing import Any

from maskery.core.result.capabilities import (
    HasAlphaRows,
    HasCandidates,
    HasClasses,
    HasInstances,
    HasScores,
    Result,
    capable,
    has,
)
from maskery.core.result.instances import Instance
from maskery.core.result.meta import ClassShare, Meta
from maskery.core.result.rle import piece_counts, runs_of_bands
from maskery.encode.annotations.coco_counts import crop_rle
from maskery.encode.document import encode_document
from maskery.encode.format import JSON, OBJECTS, ROWS, SCORES, Encoder
from maskery.encode.object_facts import colour_of, facts
from maskery.encode.provenance import head, png_text
from maskery.encode.raster import png
from maskery.encode.raster.mask import encode_mask
from maskery.encode.selection import alpha_rows
from maskery.encode.text import hex_colour

TOP = 5  # classes in a classification


def encode_summary(result: Result) -> bytes:
    """UTF-8 JSON: ``summary``."""
    return encode_document(summary(result))


def summary(result: Result) -> dict[str, Any]:
    """Provenance, task, what was found, and timings in milliseconds, as plain dicts, lists, strings and numbers.

    Of each class: id, name, color, ``pixels`` and ``box`` [left, top, right, bottom] in pixels of the upright picture,
    ``share`` of it (0..1), ``components``: the number of pieces whose pixels touch by their sides (4-connected).
    """
    return head(result) | _scores(result) | _counted(result) | objects(result, masks=False) | _timings(result)


def document(result: Result) -> dict[str, Any]:
    """Provenance, classes, objects, timings, "mask" and "alpha", as far as the result has them, as plain data.

    Of candidates only these: they say all that the class map of the best one does.
    """
    found = head(result) | _scores(result)
    if has(result, HasCandidates):
        return found | objects(result) | _timings(result)
    if mapped := capable(result, HasClasses):
        found |= {"decided_by": mapped.decided_by, "classes": classes(mapped)}
    found |= objects(result) | _timings(result)
    if mapped:
        found["mask"] = _picture(encode_mask(mapped))
    if soft := capable(result, HasAlphaRows):
        size = result.meta.frame.size_wh
        rows = alpha_rows(soft, png.band_rows(size[0]))
        found["alpha"] = _picture(png.grey_rows(rows, size, 8, png_text(result.meta)))
    return found


def _scores(result: Result) -> dict[str, Any]:
    scored = capable(result, HasScores)
    return {"top": [{"name": name, "score": score} for name, score in scored.top(TOP)]} if scored else {}


def _counted(result: Result) -> dict[str, Any]:
    mapped = capable(result, HasClasses)
    if mapped is None:
        return {}
    components = piece_counts(runs_of_bands(mapped.rows()), len(result.meta.labels))
    return {
        "decided_by": mapped.decided_by,
        "measured_on": dict(zip(("width", "height"), result.meta.frame.size_wh, strict=True)),
        "classes": [found | {"components": int(components[found["id"]])} for found in classes(mapped)],
    }


def objects(result: Result, masks: bool = True) -> dict[str, Any]:
    """``objects``: id, class, score, color, box and area in pixels of the upright picture, surest first; and with
    ``masks`` the mask of each, null of a model that gives boxes only.

    Masks are left out too where the answer has a grid of its own.
    """
    listed = capable(result, HasInstances)
    return {"objects": [_object(one, result.meta, masks) for one in listed.instances]} if listed else {}


def _object(one: Instance, meta: Meta, masks: bool) -> dict[str, Any]:
    (x, y), (left, top, right, bottom) = _scale(meta), one.box_xyxy
    placed = {
        "color": hex_colour(colour_of(one)),
        "box": [round(value, 1) for value in (left * x, top * y, right * x, bottom * y)],
        "area": round(one.area * x * y),
    }
    shown = masks and meta.frame.answer_wh is None
    mask = {"mask": crop_rle(one.mask, meta.frame.size_wh) if one.mask else None} if shown else {}
    return facts(one, meta) | placed | mask


def _timings(result: Result) -> dict[str, Any]:
    return {"timings_ms": dict(result.meta.timings_ms)}


def _scale(meta: Meta) -> tuple[float, float]:
    """Pixels of the upright picture for one of the answer."""
    width, height = meta.frame.size_wh
    return meta.frame.original_wh[0] / width, meta.frame.original_wh[1] / height


def classes(result: HasClasses) -> list[dict[str, Any]]:
    """The classes that occur, most pixels first, in pixels of the upright picture."""
    return [_class(share, _scale(result.meta)) for share in result.classes]


def _class(share: ClassShare, scale: tuple[float, float]) -> dict[str, Any]:
    (x, y), (left, top, right, bottom) = scale, share.box_xyxy
    return {
        "id": share.id,
        "name": share.name,
        "color": hex_colour(share.colour),
        "pixels": round(share.pixels * x * y),
        "share": share.share,
        "box": [math.floor(left * x), math.floor(top * y), math.ceil(right * x), math.ceil(bottom * y)],
    }


def encode_json(result: Result) -> bytes:
    """UTF-8 JSON: ``document``."""
    return encode_document(document(result))


def _picture(data: bytes) -> dict[str, str]:
    return {"media_type": "image/png", "base64": b64encode(data).decode("ascii")}


ANYTHING = ROWS + SCORES + OBJECTS
FULL = Encoder(name="json", file=JSON, needs=ANYTHING, function=encode_json, held=0.3)
SUMMARY = Encoder(name="summary", file=JSON, needs=ANYTHING, function=encode_summary, held=2.0)
