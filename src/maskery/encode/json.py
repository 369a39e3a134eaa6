"""A result as JSON: what was found, where, and the masks as base64 PNG. ``summary`` is the same without the masks."""

from base64 import b64encode
from typing import Any

import msgspec

from maskery.encode import png
from maskery.encode.mask import encode_mask
from maskery.result import Answer, ClassificationResult, ClassShare, ForegroundResult, Frame, Result

TOP = 5  # classes in a classification


def encode_json(result: Result) -> bytes:
    """UTF-8 JSON: ``summary`` and, unless it is a classification, "mask" (and "alpha" of a foreground result)."""
    return msgspec.json.encode(document(result))


def document(result: Result) -> dict[str, Any]:
    """What ``encode_json`` writes, as plain dicts, lists, strings and numbers."""
    found = summary(result)
    if not isinstance(result, ClassificationResult):
        found["mask"] = _picture(encode_mask(result))
    if isinstance(result, ForegroundResult):
        found["alpha"] = _picture(png.grey(result.alpha))
    return found


def summary(result: Result) -> dict[str, Any]:
    """Model, task, frame, what was found, and timings in milliseconds, as plain dicts, lists, strings and numbers."""
    if isinstance(result, ClassificationResult):
        top = [{"name": name, "score": score} for name, score in result.top(TOP)]
        return _head(result, "classification") | {"top": top, "timings_ms": dict(result.timings_ms)}
    if isinstance(result, ForegroundResult):
        return summary(result.as_semantic) | {"task": "foreground"}
    return _head(result, "semantic") | {
        "decided_by": result.decided_by,
        "classes": [_class(share) for share in result.classes],
        "timings_ms": dict(result.timings_ms),
    }


def _head(result: Answer, task: str) -> dict[str, Any]:
    model = {"name": result.model.name, "version": result.model.version, "sha256": result.model.sha256}
    return {"model": model, "task": task, "frame": _frame(result.frame)}


def _frame(frame: Frame) -> dict[str, Any]:
    return {
        "original": dict(zip(("width", "height"), frame.original_wh, strict=True)),
        "orientation": frame.orientation,
        "working": dict(zip(("width", "height"), frame.working_wh, strict=True)),
        "scale": dict(zip(("x", "y"), frame.scale_xy, strict=True)),
        "padding": dict(zip(("left", "top", "right", "bottom"), frame.padding, strict=True)),
    }


def _class(share: ClassShare) -> dict[str, Any]:
    return {
        "id": share.id,
        "name": share.name,
        "color": "#{:02x}{:02x}{:02x}".format(*share.colour),
        "pixels": share.pixels,
        "share": share.share,
        "box": list(share.box_xyxy),
    }


def _picture(data: bytes) -> dict[str, str]:
    return {"media_type": "image/png", "base64": b64encode(data).decode("ascii")}
