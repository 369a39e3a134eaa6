"""A result as JSON: what was found, where, and the masks as base64 PNG."""

from base64 import b64encode
from typing import Any

import msgspec

from maskery.encode import png
from maskery.encode.mask import as_semantic, encode_mask
from maskery.encode.provenance import png_text
from maskery.encode.summary import classes, head, summary
from maskery.result import ClassificationResult, ForegroundResult, Result


def encode_json(result: Result) -> bytes:
    """UTF-8 JSON: ``document``."""
    return msgspec.json.encode(document(result))


def document(result: Result) -> dict[str, Any]:
    """Provenance, classes, timings and "mask" (and "alpha" of a foreground result), as plain dicts, lists and so on."""
    if isinstance(result, ClassificationResult):
        return summary(result)
    semantic = as_semantic(result)
    found = head(result) | {
        "decided_by": semantic.decided_by,
        "classes": classes(semantic),
        "timings_ms": dict(result.timings_ms),
        "mask": _picture(encode_mask(result)),
    }
    if isinstance(result, ForegroundResult):
        found["alpha"] = _picture(png.grey(result.alpha, png_text(result)))
    return found


def _picture(data: bytes) -> dict[str, str]:
    return {"media_type": "image/png", "base64": b64encode(data).decode("ascii")}
