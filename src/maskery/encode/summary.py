"""What was found, without a mask: classes with area, share, box and number of connected pieces. Almost free.

The result may have been decided on fewer pixels than the picture has; areas and boxes are then scaled to the picture's.
"""

import math
from typing import Any

import msgspec

from maskery.banded import BandedResult
from maskery.encode.provenance import provenance
from maskery.encode.rowwise import Decided, decided, soft
from maskery.result import ClassificationResult, ClassShare, Colour, Result
from maskery.runs import piece_counts, runs_of_bands

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
