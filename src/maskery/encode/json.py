"""A result as JSON: classes with area, share, box and number of connected pieces; and the masks as base64 PNG.

The result may have been decided on fewer pixels than the picture has; areas and boxes are then scaled to the picture's.
"""

import math
from base64 import b64encode
from typing import Any

import msgspec

from maskery.core.result.banded import BandedResult
from maskery.core.result.rle import piece_counts, runs_of_bands
from maskery.core.result.types import ClassificationResult, ClassShare, Colour, ForegroundResult, Result
from maskery.encode.provenance import png_text, provenance
from maskery.encode.raster import png
from maskery.encode.raster.mask import encode_mask
from maskery.encode.selection import Decided, alpha_rows, decided, soft

TOP = 5  # classes in a classification


def encode_summary(result: Result | BandedResult) -> bytes:
    """UTF-8 JSON: ``summary``."""
    return msgspec.json.encode(summary(result))


def summary(result: Result | BandedResult) -> dict[str, Any]:
    """Provenance, task, what was found, and timings in milliseconds, as plain dicts, lists, strings and numbers.

    Of each class: id, name, color, ``pixels`` and ``box`` [left, top, right, bottom] in pixels of the upright picture,
    ``share`` of it (0..1), ``components``: the number of pieces whose pixels touch by their sides (4-connected).
    """
    if isinstance(result, ClassificationResult):
        top = [{"name": name, "score": score} for name, score in result.top(TOP)]
        return head(result) | {"top": top, "timings_ms": dict(result.timings_ms)}
    ids = decided(result)
    components = piece_counts(runs_of_bands(ids.rows()), len(ids.labels))
    return head(result) | {
        "decided_by": ids.decided_by,
        "measured_on": dict(zip(("width", "height"), result.frame.size_wh, strict=True)),
        "classes": [found | {"components": int(components[found["id"]])} for found in classes(ids)],
        "timings_ms": dict(result.timings_ms),
    }


def head(result: Result | BandedResult) -> dict[str, Any]:
    """What every JSON answer of ours begins with: provenance, task, the plan that was followed, and a note where the
    caller should know something: that no face was found, say.
    """
    plan = {"plan": result.plan.document()} if result.plan else {}
    note = {"note": result.plan.note} if result.plan and result.plan.note else {}
    return provenance(result) | {"task": task_of(result)} | plan | note


def task_of(result: Result | BandedResult) -> str:
    """The name of the task that gave ``result``."""
    if isinstance(result, ClassificationResult):
        return "classification"
    return "foreground" if soft(result) else "semantic"


def classes(result: Decided) -> list[dict[str, Any]]:
    """The classes that occur, most pixels first, in pixels of the upright picture."""
    width, height = result.frame.size_wh
    scale = (result.frame.original_wh[0] / width, result.frame.original_wh[1] / height)
    return [_class(share, scale) for share in result.classes]


def colour_text(colour: Colour) -> str:
    """#rrggbb."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _class(share: ClassShare, scale: tuple[float, float]) -> dict[str, Any]:
    (x, y), (left, top, right, bottom) = scale, share.box_xyxy
    return {
        "id": share.id,
        "name": share.name,
        "color": colour_text(share.colour),
        "pixels": round(share.pixels * x * y),
        "share": share.share,
        "box": [math.floor(left * x), math.floor(top * y), math.ceil(right * x), math.ceil(bottom * y)],
    }


def encode_json(result: Result | BandedResult) -> bytes:
    """UTF-8 JSON: ``document``."""
    return msgspec.json.encode(document(result))


def document(result: Result | BandedResult) -> dict[str, Any]:
    """Provenance, classes, timings and "mask" (and "alpha" of a foreground result), as plain dicts, lists and so on."""
    if isinstance(result, ClassificationResult):
        return summary(result)
    ids = decided(result)
    found = head(result) | {
        "decided_by": ids.decided_by,
        "classes": classes(ids),
        "timings_ms": dict(result.timings_ms),
        "mask": _picture(encode_mask(result)),
    }
    if isinstance(result, ForegroundResult) or (isinstance(result, BandedResult) and result.soft):
        size = result.frame.size_wh
        rows = alpha_rows(result, png.band_rows(size[0]))
        found["alpha"] = _picture(png.grey_rows(rows, size, 8, png_text(result)))
    return found


def _picture(data: bytes) -> dict[str, str]:
    return {"media_type": "image/png", "base64": b64encode(data).decode("ascii")}
