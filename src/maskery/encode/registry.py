"""The formats in which a result can be asked for, and the one function that writes all of them."""

from collections.abc import Mapping

import numpy as np

from maskery.core.errors import BadRequest, nearest
from maskery.core.picture.stream import Photo, PhotoRows
from maskery.core.result.capabilities import HasWhole, Result, has
from maskery.encode.annotations.coco import COCO, COCO_RLE
from maskery.encode.annotations.cvat_xml import CVAT
from maskery.encode.annotations.label_studio import LABEL_STUDIO
from maskery.encode.annotations.labelme import LABELME
from maskery.encode.annotations.panoptic import PANOPTIC, PANOPTIC_JSON
from maskery.encode.annotations.yolo import YOLO
from maskery.encode.count import COUNT, COUNT_CSV
from maskery.encode.format import Encoder
from maskery.encode.json import FULL, SUMMARY
from maskery.encode.options import PLAIN_OPTIONS, Options, from_text
from maskery.encode.raster.confidence import CONFIDENCE, ENTROPY, MARGIN
from maskery.encode.raster.cutout import CUTOUT
from maskery.encode.raster.mask import COLOR, MASK, MASK16
from maskery.encode.raster.npz import NPY, NPZ
from maskery.encode.raster.object_cutouts import CUTOUTS
from maskery.encode.raster.overlay import OVERLAY, OVERLAY_JPEG
from maskery.encode.raster.privacy import BLUR, BLUR_JPEG, PIXELATE, PIXELATE_JPEG, REPLACE, REPLACE_JPEG
from maskery.encode.vector.polygons import GEOJSON, POLYGONS
from maskery.encode.vector.svg import SVG
from maskery.inference.tasks.base import Task

_RASTERS = (
    *(OVERLAY, OVERLAY_JPEG, MASK, MASK16, COLOR, CUTOUT),
    *(BLUR, BLUR_JPEG, PIXELATE, PIXELATE_JPEG, REPLACE, REPLACE_JPEG),
    *(CONFIDENCE, ENTROPY, MARGIN),
    *(PANOPTIC, CUTOUTS),
)
_DATA = (FULL, SUMMARY, COUNT, COUNT_CSV, NPY, NPZ)
_SHAPES = (POLYGONS, GEOJSON, SVG, COCO, COCO_RLE, PANOPTIC_JSON, YOLO, LABELME, CVAT, LABEL_STUDIO)
ENCODERS = {encoder.name: encoder for encoder in (*_RASTERS, *_DATA, *_SHAPES)}

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


def encode(result: Result, name: str, photo: Photo | None = None, options: Options = PLAIN_OPTIONS) -> bytes:
    """``result`` in the format ``name``.

    ``photo``: the upright picture, (H, W, 3) uint8 RGB, of the result's size; needed where the format's
    ``needs_photo``. Raises ``BadRequest`` for an unknown format, one that needs what the result does not have, an
    option that the format does not understand, and for bands that it cannot be written from.
    """
    encoder = named(name)
    if not encoder.fits(result):
        raise _unfitting(encoder, result, result.meta.task)
    _check_understood(encoder, options.given)
    arguments: list[object] = [result]
    if encoder.needs_photo:
        arguments.append(_fitting(photo, result, name))
    if encoder.options:
        arguments.append(options)
    return encoder.function(*arguments)


def find(name: str, task: Task) -> Encoder:
    """The encoder called ``name`` for results of ``task``, to be asked before any work is done.

    Raises ``BadRequest`` as ``encode`` does.
    """
    encoder = named(name)
    if task.results is None or not encoder.fits(task.results):
        raise _unfitting(encoder, task.results, task.name)
    return encoder


def _unfitting(encoder: Encoder, result: type | Result | None, task: str) -> BadRequest:
    fitting = ", ".join(e.name for e in ENCODERS.values() if result is not None and e.fits(result))
    if result is not None and has(result, HasWhole) and fitting:
        return BadRequest(f"{encoder.name} is not written in bands.", f"Formats that are: {fitting}.")
    cure = f"Formats that do: {fitting}." if fitting else "No format does."
    return BadRequest(f"{encoder.name} does not fit a {task} result.", cure)


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
    """The maps of ``MAPS`` that a result must have to be written so: ``RunOptions.maps``. Raises ``BadRequest``."""
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


def _fitting(photo: Photo | None, result: Result, name: str) -> Photo:
    expected = (*result.meta.frame.size_wh[::-1], 3)
    if isinstance(photo, PhotoRows) and photo.size_wh == result.meta.frame.size_wh:
        return photo
    if isinstance(photo, np.ndarray) and photo.shape == expected and photo.dtype == np.uint8:
        return photo
    given = f"a photo {photo.shape} {photo.dtype}" if isinstance(photo, np.ndarray) else "no photo of its size"
    raise BadRequest(f"{name} got {given}.", f"Give the upright picture, {expected} uint8 RGB.")
