"""A result as JSON: what was found, where, and the masks as base64 PNG."""

from base64 import b64encode
from typing import Any

import msgspec

from maskery.banded import BandedResult
from maskery.encode import png
from maskery.encode.mask import encode_mask
from maskery.encode.provenance import png_text
from maskery.encode.rowwise import alpha_rows, decided
from maskery.encode.summary import classes, head, summary
from maskery.result import ClassificationResult, ForegroundResult, Result


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
