"""Where an answer comes from: Maskery's version, the model and its hash, and how the picture lay before the model."""

from collections.abc import Mapping
from typing import Any

import msgspec

from maskery.core.result.types import Answer, Frame
from maskery.core.version import __version__
from maskery.encode.raster import png

SOFTWARE = f"Maskery {__version__}"
PNG_KEYWORD = "maskery:provenance"


def provenance(result: Answer) -> dict[str, Any]:
    """Plain data: "software", "model" (name, version, sha256) and "frame". Every JSON answer has it."""
    model = {"name": result.model.name, "version": result.model.version, "sha256": result.model.sha256}
    return {"software": SOFTWARE, "model": model, "frame": _frame(result.frame)}


def provenance_text(result: Answer, more: Mapping[str, Any] | None = None) -> str:
    """``provenance``, and ``more``, as one line of JSON."""
    return msgspec.json.encode(provenance(result) | dict(more or {})).decode()


def png_text(result: Answer) -> bytes:
    """PNG chunks: ``Software``, and ``maskery:provenance`` with ``provenance`` as JSON."""
    return png.text("Software", SOFTWARE) + png.text(PNG_KEYWORD, provenance_text(result))


def _frame(frame: Frame) -> dict[str, Any]:
    return {
        "original": _size(frame.original_wh),
        "orientation": frame.orientation,
        "working": _size(frame.working_wh),
        "scale": dict(zip(("x", "y"), frame.scale_xy, strict=True)),
        "padding": dict(zip(("left", "top", "right", "bottom"), frame.padding, strict=True)),
    } | ({"answer": _size(frame.answer_wh)} if frame.answer_wh else {})


def _size(size_wh: tuple[int, int]) -> dict[str, int]:
    return dict(zip(("width", "height"), size_wh, strict=True))
