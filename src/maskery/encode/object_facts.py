"""What formats say of single objects: who is kept, their colours, captions and boxes; and objects as a class map."""

import colorsys
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from maskery.core.arrays import ClassMap
from maskery.core.result.banded import BAND_ROWS, BandedSemanticResult, pack
from maskery.core.result.capabilities import HasClasses, HasClassMap, HasInstances, Result, capable, expect
from maskery.core.result.instances import Instance, painted_rows
from maskery.core.result.meta import BACKGROUND, Colour, Meta
from maskery.encode.options import Options

GOLDEN = 0.618034
"""A turn of the hue by this share of the circle lies farthest from all that came before."""
SHADES = ((0.85, 0.95), (0.6, 1.0), (0.95, 0.7))
"""Saturation and value, in turns: neighbours on the circle of hues still differ."""


def colour_of(one: Instance) -> Colour:
    """The colour of an object: another one for each of a picture's; in a video the same in every frame."""
    number = one.id if one.track_id is None else one.track_id
    saturation, value = SHADES[number % len(SHADES)]
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(number * GOLDEN % 1, saturation, value))
    return red, green, blue


def caption(one: Instance, meta: Meta) -> str:
    """``dog 87%``; in a video with the object's number, ``dog 7 87%``."""
    number = "" if one.track_id is None else f" {one.track_id}"
    return f"{meta.labels[one.class_id]}{number} {one.score:.0%}"


def facts(one: Instance, meta: Meta) -> dict[str, Any]:
    """What every list of objects of ours begins with: ``id``, ``class``, ``class_id``, ``score``, and in a video
    ``track_id``.
    """
    track = {} if one.track_id is None else {"track_id": one.track_id}
    named = {"id": one.id, "class": meta.labels[one.class_id], "class_id": one.class_id}
    return named | {"score": round(one.score, 4)} | track


def bbox(one: Instance) -> list[float]:
    """Left, top, width, height, as COCO has it."""
    left, top, right, bottom = one.box_xyxy
    return [left, top, right - left, bottom - top]


def large_enough(result: HasInstances, options: Options) -> tuple[Sequence[Instance], dict[str, Any]]:
    """The objects of ``options.min_area`` pixels and more, and what an answer says about the others."""
    kept = [one for one in result.instances if one.area >= options.min_area]
    pixels = sum(one.area for one in result.instances if one.area < options.min_area)
    return kept, {"pieces": len(result.instances) - len(kept), "pixels": pixels}


def by_class(result: Result) -> HasClasses:
    """The result as one with a class for each pixel: that of the surest object there, where it has objects only."""
    return capable(result, HasClasses) or _in_bands(expect(result, HasInstances))


def class_map_of(result: Result) -> HasClassMap:
    """The same, in one piece."""
    return capable(result, HasClassMap) or _in_bands(expect(result, HasInstances)).whole()


def _in_bands(result: HasInstances) -> BandedSemanticResult:
    """Compressed bands: beside them not more than one is held."""
    labels, size = result.meta.labels, result.meta.frame.size_wh
    dtype = np.uint8 if len(labels) <= 255 else np.uint16
    background = result.meta.background
    rest = int(np.iinfo(dtype).max) if background is None else background
    table = np.array([rest, *(one.class_id for one in result.instances)], dtype)
    bands = (cast(ClassMap, table[band]) for band in painted_rows(result.instances, size, BAND_ROWS))
    chosen = tuple(name for name in labels if name != BACKGROUND)
    return BandedSemanticResult(result.meta, pack(bands), "single objects, the surest above the others", chosen)
