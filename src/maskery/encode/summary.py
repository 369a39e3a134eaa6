"""What was found, without a mask: classes with area, share, box and number of connected pieces. Almost free.

The result may have been decided on fewer pixels than the picture has; areas and boxes are then scaled to the picture's.
"""

import math
from typing import Any

import msgspec

from maskery.encode.provenance import provenance
from maskery.encode.runs import piece_counts, runs
from maskery.result import ClassificationResult, ClassShare, Colour, ForegroundResult, Result, SemanticResult

TOP = 5  # classes in a classification


def encode_summary(result: Result) -> bytes:
    """UTF-8 JSON: ``summary``."""
    return msgspec.json.encode(summary(result))


def summary(result: Result) -> dict[str, Any]:
    """Provenance, task, what was found, and timings in milliseconds, as plain dicts, lists, strings and numbers.

    Of each class: id, name, color, ``pixels`` and ``box`` [left, top, right, bottom] in pixels of the upright picture,
    ``share`` of it (0..1), ``components``: the number of pieces whose pixels touch by their sides (4-connected).
    """
    if isinstance(result, ClassificationResult):
        top = [{"name": name, "score": score} for name, score in result.top(TOP)]
        return head(result) | {"top": top, "timings_ms": dict(result.timings_ms)}
    semantic = result.as_semantic if isinstance(result, ForegroundResult) else result
    components = piece_counts(runs(semantic.class_map), len(semantic.labels))
    height, width = semantic.class_map.shape
    return head(result) | {
        "decided_by": semantic.decided_by,
        "measured_on": {"width": width, "height": height},
        "classes": [found | {"components": int(components[found["id"]])} for found in classes(semantic)],
        "timings_ms": dict(result.timings_ms),
    }


def head(result: Result) -> dict[str, Any]:
    """What every JSON answer of ours begins with: provenance and task."""
    kinds = {ClassificationResult: "classification", ForegroundResult: "foreground", SemanticResult: "semantic"}
    return provenance(result) | {"task": kinds[type(result)]}


def classes(result: SemanticResult) -> list[dict[str, Any]]:
    """The classes that occur, most pixels first, in pixels of the upright picture."""
    height, width = result.class_map.shape
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
