"""Where an answer comes from: Maskery's version, the model and its hash, and how the picture lay before the model."""

from collections.abc import Mapping
from typing import Any

import msgspec

from maskery.core.result.capabilities import Result
from maskery.core.result.meta import Frame, Meta
from maskery.core.version import __version__
from maskery.encode.raster import png

SOFTWARE = f"Maskery {__version__}"
PNG_KEYWORD = "maskery:provenance"


def provenance(meta: Meta) -> dict[str, Any]:
    """Plain data: "software", "model" (name, version, sha256) and "frame". Every JSON answer has it."""
    model = {"name": meta.model.name, "version": meta.model.version, "sha256": meta.model.sha256}
    return {"software": SOFTWARE, "model": model, "frame": _frame(meta.frame)}


def provenance_text(meta: Meta, more: Mapping[str, Any] | None = None) -> str:
    """``provenance``, and ``more``, as one line of JSON."""
    return msgspec.json.encode(provenance(meta) | dict(more or {})).decode()


def png_text(meta: Meta) -> bytes:
    """PNG chunks: ``Software``, and ``maskery:provenance`` with ``provenance`` as JSON."""
    return png.text("Software", SOFTWARE) + png.text(PNG_KEYWORD, provenance_text(meta))


def head(result: Result) -> dict[str, Any]:
    """What every JSON answer of ours begins with: provenance, task, the plan that was followed, and a note where the
    caller should know something: that no face was found, say.
    """
    meta = result.meta
    plan = {"plan": meta.plan_document()} if meta.plan else {}
    note = {"note": meta.note} if meta.note else {}
    return provenance(meta) | {"task": meta.task} | plan | note


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
