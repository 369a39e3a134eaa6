"""The formats in which a result can be asked for, and the one function that every door calls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from maskery.core.errors import BadRequest, nearest
from maskery.core.result.banded import BandedResult
from maskery.core.result.types import Result
from maskery.encode.annotations.coco import encode_coco, encode_coco_rle
from maskery.encode.annotations.cvat import encode_cvat
from maskery.encode.annotations.label_studio import encode_label_studio
from maskery.encode.annotations.labelme import encode_labelme
from maskery.encode.annotations.yolo import encode_yolo
from maskery.encode.json import encode_json, encode_summary
from maskery.encode.json import task_of as task_of
from maskery.encode.options import PLAIN_OPTIONS, Options, from_text
from maskery.encode.raster.confidence import encode_confidence, encode_entropy, encode_margin
from maskery.encode.raster.cutout import encode_cutout
from maskery.encode.raster.mask import encode_color, encode_mask, encode_mask16
from maskery.encode.raster.npz import encode_npy, encode_npz
from maskery.encode.raster.overlay import encode_overlay, encode_overlay_jpeg
from maskery.encode.raster.privacy import (
    encode_blur,
    encode_blur_jpeg,
    encode_pixelate,
    encode_pixelate_jpeg,
    encode_replace,
    encode_replace_jpeg,
)
from maskery.encode.vector.polygons import encode_geojson, encode_polygons
from maskery.encode.vector.svg import encode_svg
from maskery.inference.planning.memory_plan import Demand
from maskery.inference.source import Photo, PhotoRows

SEMANTIC = frozenset({"semantic"})
MASKS = SEMANTIC | {"foreground"}
ALL = MASKS | {"classification"}
NONE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Encoder:
    """One format. ``function``: (result[, photo][, options]) -> bytes, as ``needs_photo`` and ``options`` say.

    ``tasks``: the tasks whose results ``function`` takes; ``encode`` sees to it that it gets no others. ``options``:
    the names of the ``Options`` that it understands. ``map``: the one of ``result.MAPS`` that it draws. ``bands``:
    whether ``function`` also takes a ``BandedResult`` and ``PhotoRows``. ``held``: bytes a pixel that it holds at its
    end beside result and photo, the answer included: what photographs were measured to take, and a little more.
    ``shown``: bytes a pixel of the photo that it shows as a PNG.
    """

    name: str
    media_type: str
    suffix: str
    needs_photo: bool
    tasks: frozenset[str]
    function: Callable[..., bytes]
    options: frozenset[str] = NONE
    map: str | None = None
    bands: bool = False
    held: float = 3.0
    shown: float = 0.0

    @property
    def demand(self) -> Demand:
        """What writing this format takes."""
        return Demand(self.needs_photo, self.bands, self.held, self.shown)


DEPTH = frozenset({"depth"})
OUTLINES = frozenset({"tolerance", "gap_free", "min_area"})
NAMED = OUTLINES | {"file_name"}
SHAPED = NAMED | {"shape"}
COARSE = frozenset({"strength", "outside"})
FILL = frozenset({"color", "outside"})
LABEL_STUDIO = SHAPED | {"from_name", "to_name"}

_LIST = (
    Encoder("overlay", "image/png", ".png", True, MASKS, encode_overlay, bands=True, held=0.3, shown=3.0),
    Encoder("overlay-jpeg", "image/jpeg", ".jpg", True, MASKS, encode_overlay_jpeg, held=6.5),
    Encoder("mask", "image/png", ".png", False, MASKS, encode_mask, bands=True, held=0.1),
    Encoder("mask16", "image/png", ".png", False, MASKS, encode_mask16, bands=True, held=0.1),
    Encoder("color", "image/png", ".png", False, MASKS, encode_color, bands=True, held=0.2),
    Encoder("cutout", "image/png", ".png", True, MASKS, encode_cutout, bands=True, held=0.3, shown=3.0),
    Encoder("blur", "image/png", ".png", True, MASKS, encode_blur, COARSE, held=0.3, shown=3.0),
    Encoder("blur-jpeg", "image/jpeg", ".jpg", True, MASKS, encode_blur_jpeg, COARSE, held=6.5),
    Encoder("pixelate", "image/png", ".png", True, MASKS, encode_pixelate, COARSE, held=0.3, shown=3.0),
    Encoder("pixelate-jpeg", "image/jpeg", ".jpg", True, MASKS, encode_pixelate_jpeg, COARSE, held=6.5),
    Encoder("replace", "image/png", ".png", True, MASKS, encode_replace, FILL, held=0.3, shown=3.0),
    Encoder("replace-jpeg", "image/jpeg", ".jpg", True, MASKS, encode_replace_jpeg, FILL, held=6.5),
    Encoder("confidence", "image/png", ".png", False, SEMANTIC, encode_confidence, DEPTH, "confidence"),
    Encoder("entropy", "image/png", ".png", False, SEMANTIC, encode_entropy, DEPTH, "entropy"),
    Encoder("margin", "image/png", ".png", False, SEMANTIC, encode_margin, DEPTH, "margin"),
    Encoder("json", "application/json", ".json", False, ALL, encode_json, bands=True, held=0.3),
    Encoder("summary", "application/json", ".json", False, ALL, encode_summary, bands=True, held=2.0),
    Encoder("npy", "application/x-npy", ".npy", False, ALL, encode_npy, held=1.5),
    Encoder("npz", "application/x-npz", ".npz", False, ALL, encode_npz, frozenset({"maps"}), held=3.0),
    Encoder("polygons", "application/json", ".json", False, MASKS, encode_polygons, OUTLINES),
    Encoder("geojson", "application/geo+json", ".geojson", False, MASKS, encode_geojson, OUTLINES),
    Encoder("svg", "image/svg+xml", ".svg", False, MASKS, encode_svg, OUTLINES),
    Encoder("coco", "application/json", ".json", False, MASKS, encode_coco, SHAPED),
    Encoder("coco-rle", "application/json", ".json", False, MASKS, encode_coco_rle, frozenset({"min_area"})),
    Encoder("yolo", "text/plain", ".txt", False, MASKS, encode_yolo, OUTLINES),
    Encoder("labelme", "application/json", ".json", False, MASKS, encode_labelme, NAMED),
    Encoder("cvat", "application/xml", ".xml", False, MASKS, encode_cvat, SHAPED),
    Encoder("label-studio", "application/json", ".json", False, MASKS, encode_label_studio, LABEL_STUDIO),
)
ENCODERS = {encoder.name: encoder for encoder in _LIST}

BY_SUFFIX = {
    ".png": "mask",
    ".jpg": "overlay-jpeg",
    ".jpeg": "overlay-jpeg",
    ".json": "json",
    ".npy": "npy",
    ".npz": "npz",
    ".geojson": "geojson",
    ".svg": "svg",
}


def encode(
    result: Result | BandedResult, name: str, photo: Photo | None = None, options: Options = PLAIN_OPTIONS
) -> bytes:
    """``result`` in the format ``name``.

    ``photo``: the upright picture, (H, W, 3) uint8 RGB, of the result's size; needed where the format's
    ``needs_photo``. Raises ``BadRequest`` for an unknown format, one that does not fit the task, an option that the
    format does not understand, and for bands that it cannot be written from.
    """
    encoder = find(name, task_of(result))
    _check_understood(encoder, options.given)
    if isinstance(result, BandedResult) and not encoder.bands:
        fitting = ", ".join(e.name for e in ENCODERS.values() if e.bands)
        raise BadRequest(f"{name} is not written in bands.", f"Formats that are: {fitting}.")
    arguments: list[object] = [result]
    if encoder.needs_photo:
        arguments.append(_fitting(photo, result, name))
    if encoder.options:
        arguments.append(options)
    return encoder.function(*arguments)


def find(name: str, task: str) -> Encoder:
    """The encoder called ``name``, to be asked before any work is done. Raises ``BadRequest`` as ``encode`` does."""
    encoder = named(name)
    if task not in encoder.tasks:
        fitting = ", ".join(e.name for e in ENCODERS.values() if task in e.tasks)
        raise BadRequest(f"{name} does not fit a {task} result.", f"Formats that do: {fitting}.")
    return encoder


def named(name: str) -> Encoder:
    """The encoder called ``name``. Raises ``BadRequest`` naming the nearest one."""
    if name not in ENCODERS:
        raise BadRequest(f"There is no format {name!r}.", nearest(name, ENCODERS))
    return ENCODERS[name]


def parse_options(pairs: Mapping[str, str], format: str) -> Options:
    """Options as text (query parameters, the command line) for ``format``.

    Raises ``BadRequest`` for an unknown format, for a name that the format does not understand and for a bad value.
    """
    _check_understood(named(format), pairs)
    return from_text(pairs)


def wanted_maps(format: str, options: Options = PLAIN_OPTIONS) -> tuple[str, ...]:
    """The maps of ``result.MAPS`` that a result must have to be written so: ``Wish.maps``. Raises ``BadRequest``."""
    encoder = named(format)
    return (encoder.map,) if encoder.map else options.maps


def for_suffix(suffix: str) -> str:
    """The format that a file name's suffix asks for: .png a mask, .jpg an overlay. Raises ``BadRequest``."""
    if suffix.lower() not in BY_SUFFIX:
        raise BadRequest(f"No format has the suffix {suffix!r}.", f"Name the format, or use {', '.join(BY_SUFFIX)}.")
    return BY_SUFFIX[suffix.lower()]


def _check_understood(encoder: Encoder, names: Mapping[str, str] | frozenset[str]) -> None:
    for name in sorted(names):
        if name not in encoder.options:
            cure = nearest(name, sorted(encoder.options)) if encoder.options else "It takes none."
            raise BadRequest(f"The format {encoder.name} has no option {name!r}.", cure)


def _fitting(photo: Photo | None, result: Result | BandedResult, name: str) -> Photo:
    expected = (*result.frame.size_wh[::-1], 3)
    if isinstance(photo, PhotoRows) and photo.size_wh == result.frame.size_wh:
        return photo
    if isinstance(photo, np.ndarray) and photo.shape == expected and photo.dtype == np.uint8:
        return photo
    given = f"a photo {photo.shape} {photo.dtype}" if isinstance(photo, np.ndarray) else "no photo of its size"
    raise BadRequest(f"{name} got {given}.", f"Give the upright picture, {expected} uint8 RGB.")
