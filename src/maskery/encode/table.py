"""The formats in which a result can be asked for, and the one function that every door calls."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskery.encode.color import encode_color
from maskery.encode.cutout import encode_cutout
from maskery.encode.json import encode_json
from maskery.encode.mask import encode_mask
from maskery.encode.npy import encode_npy
from maskery.encode.overlay import encode_overlay, encode_overlay_jpeg
from maskery.errors import BadRequest, nearest
from maskery.result import ClassificationResult, ForegroundResult, Result

MASKS = frozenset({"semantic", "foreground"})
ALL = MASKS | {"classification"}


@dataclass(frozen=True)
class Encoder:
    """One format. ``function``: (result) -> bytes, or (result, photo) -> bytes where ``needs_photo``.

    ``tasks``: the tasks whose results ``function`` takes; ``encode`` sees to it that it gets no others.
    """

    name: str
    media_type: str
    suffix: str
    needs_photo: bool
    tasks: frozenset[str]
    function: Callable[..., bytes]


ENCODERS = {
    "overlay": Encoder("overlay", "image/png", ".png", True, MASKS, encode_overlay),
    "overlay-jpeg": Encoder("overlay-jpeg", "image/jpeg", ".jpg", True, MASKS, encode_overlay_jpeg),
    "mask": Encoder("mask", "image/png", ".png", False, MASKS, encode_mask),
    "color": Encoder("color", "image/png", ".png", False, MASKS, encode_color),
    "cutout": Encoder("cutout", "image/png", ".png", True, MASKS, encode_cutout),
    "json": Encoder("json", "application/json", ".json", False, ALL, encode_json),
    "npy": Encoder("npy", "application/x-npy", ".npy", False, ALL, encode_npy),
}

BY_SUFFIX = {".png": "mask", ".jpg": "overlay-jpeg", ".jpeg": "overlay-jpeg", ".json": "json", ".npy": "npy"}


def encode(result: Result, name: str, photo: NDArray[np.uint8] | None = None) -> bytes:
    """``result`` in the format ``name``.

    ``photo``: the upright picture, (H, W, 3) uint8 RGB, of the result's original size; needed where the format's
    ``needs_photo``. Raises ``BadRequest`` for an unknown format, or one that does not fit the task.
    """
    encoder = find(name, task_of(result))
    if not encoder.needs_photo:
        return encoder.function(result)
    expected = (*result.frame.original_wh[::-1], 3)
    if photo is None or photo.shape != expected or photo.dtype != np.uint8:
        given = "no photo" if photo is None else f"a photo {photo.shape} {photo.dtype}"
        raise BadRequest(f"{name} got {given}.", f"Give the upright picture, {expected} uint8 RGB.")
    return encoder.function(result, photo)


def find(name: str, task: str) -> Encoder:
    """The encoder called ``name``, to be asked before any work is done. Raises ``BadRequest`` as ``encode`` does."""
    if name not in ENCODERS:
        raise BadRequest(f"There is no format {name!r}.", nearest(name, ENCODERS))
    encoder = ENCODERS[name]
    if task not in encoder.tasks:
        fitting = ", ".join(e.name for e in ENCODERS.values() if task in e.tasks)
        raise BadRequest(f"{name} does not fit a {task} result.", f"Formats that do: {fitting}.")
    return encoder


def for_suffix(suffix: str) -> str:
    """The format that a file name's suffix asks for: .png a mask, .jpg an overlay. Raises ``BadRequest``."""
    if suffix.lower() not in BY_SUFFIX:
        raise BadRequest(f"No format has the suffix {suffix!r}.", f"Name the format, or use {', '.join(BY_SUFFIX)}.")
    return BY_SUFFIX[suffix.lower()]


def task_of(result: Result) -> str:
    """The name of the task that gave ``result``."""
    if isinstance(result, ClassificationResult):
        return "classification"
    return "foreground" if isinstance(result, ForegroundResult) else "semantic"
