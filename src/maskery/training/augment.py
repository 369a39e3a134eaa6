"""Pictures and masks -> training crops. Everything random comes from one generator, so a crop is reproducible."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance

from maskery.core.arrays import Pixels
from maskery.core.labels import IGNORE
from maskery.training.recipe import Data

PAD_GREY = 127


@dataclass(frozen=True)
class CropSpec:
    """What a crop shows of a picture: first turned by ``angle`` degrees, then the part ``box`` of it (x0, y0, x1, y1 in
    its pixels) fills ``place`` (left, top, right, bottom in the crop's), and all of it is ``mirrored`` or not.
    """

    angle: float
    box: tuple[float, float, float, float]
    place: tuple[int, int, int, int]
    mirrored: bool


def random_window(size_wh: tuple[int, int], data: Data, rng: np.random.Generator) -> CropSpec:
    """Where a crop of a picture of this size lies; its place is in multiples of ``mask_stride``."""
    angle = rng.uniform(-data.rotate, data.rotate) if data.rotate else 0.0
    width, height = size_wh
    side = min(width, height) / log_uniform(data.scale, rng)
    x0, x1, left, right = _span(width, side, data.crop, data.mask_stride, rng)
    y0, y1, top, bottom = _span(height, side, data.crop, data.mask_stride, rng)
    mirrored = data.flip and bool(rng.random() < 0.5)
    return CropSpec(angle, (x0, y0, x1, y1), (left, top, right, bottom), mirrored)


def cut(
    image: Image.Image, mask: Pixels, window: CropSpec, data: Data, swap: Pixels | None
) -> tuple[Image.Image, Image.Image]:
    """What ``window`` shows of ``image`` RGB (H, W) and of ``mask`` (H, W) uint8.

    ``swap`` (256,) uint8 gives each class the one that it becomes in the mirror. Returns the crop (crop, crop) RGB and
    its mask (crop / mask_stride) squared, mode L; outside the picture the crop is grey and the mask ``IGNORE``.
    """
    labels = Image.fromarray(mask)
    if window.angle:
        image = image.rotate(window.angle, Image.Resampling.BILINEAR, fillcolor=(PAD_GREY,) * 3)
        labels = labels.rotate(window.angle, Image.Resampling.NEAREST, fillcolor=IGNORE)
    step = data.mask_stride
    left, top, right, bottom = window.place
    crop = Image.new("RGB", (data.crop, data.crop), (PAD_GREY,) * 3)
    crop.paste(image.resize((right - left, bottom - top), Image.Resampling.BILINEAR, box=window.box), (left, top))
    target = Image.new("L", (data.crop // step, data.crop // step), IGNORE)
    coarse = ((right - left) // step, (bottom - top) // step)
    target.paste(labels.resize(coarse, Image.Resampling.NEAREST, box=window.box), (left // step, top // step))
    if window.mirrored:
        crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        target = target.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if swap is not None:
            target = target.point(swap.tolist())
    return crop, target


def paste_object(
    crop: Image.Image,
    target: Image.Image,
    image: Image.Image,
    mask: Pixels,
    label: int,
    size: float,
    rng: np.random.Generator,
) -> tuple[int, int, int, int]:
    """Put the ``label`` pixels of ``image`` onto ``crop`` and ``target`` (both changed), at a random place.

    ``image`` RGB (H, W) and ``mask`` (H, W) are another picture; the longer side of what is pasted becomes ``size`` of
    the crop's side. Returns the box within which something changed: left, top, right, bottom, empty where nothing did.
    """
    shape = Image.fromarray(np.where(mask == label, np.uint8(255), np.uint8(0)))
    box = shape.getbbox()
    if box is None:
        return 0, 0, 0, 0
    side, step = crop.width, crop.width // target.width
    factor = size * side / max(box[2] - box[0], box[3] - box[1])
    wide = step * max(1, round((box[2] - box[0]) * factor / step))
    high = step * max(1, round((box[3] - box[1]) * factor / step))
    x = step * int(rng.integers(0, max(1, (side - wide) // step + 1)))
    y = step * int(rng.integers(0, max(1, (side - high) // step + 1)))
    soft = shape.resize((wide, high), Image.Resampling.BILINEAR, box=box)
    thing = image.resize((wide, high), Image.Resampling.BILINEAR, box=box)
    hard = soft.resize((wide // step, high // step), Image.Resampling.BOX).point(lambda v: 255 if v > 127 else 0)
    if rng.random() < 0.5:
        thing, soft, hard = (one.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for one in (thing, soft, hard))
    crop.paste(thing, (x, y), soft)
    target.paste(label, (x // step, y // step), hard)
    return x, y, x + wide, y + high


def random_picture(image: Image.Image, data: Data, rng: np.random.Generator) -> Image.Image:
    """For classification: scale, shift, flip, recolour and erase, (crop, crop) RGB. The whole picture is scale 1."""
    side = data.crop
    reach = side / log_uniform(data.scale, rng)
    x, y = (rng.uniform(min(0, side - reach), max(0, side - reach)) for _ in range(2))
    whole = whole_picture(image, side)
    crop = whole.transform(
        (side, side),
        Image.Transform.EXTENT,
        (x, y, x + reach, y + reach),
        Image.Resampling.BILINEAR,
        fillcolor=(PAD_GREY,) * 3,
    )
    if data.flip and rng.random() < 0.5:
        crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    crop = recolour(crop, data.colour_jitter, rng)
    if data.erase:
        hole = round(data.erase * side)
        left, top = (int(v) for v in rng.integers(-hole // 2, side - hole // 2, 2))
        crop.paste((PAD_GREY,) * 3, (left, top, left + hole, top + hole))
    return crop


def cut_mix(image: Image.Image, other: Image.Image, rng: np.random.Generator) -> float:
    """Put a rectangle of ``other`` at its place in ``image`` (changed; RGB of one size): CutMix (arXiv 1905.04899).

    Returns the share of pixels that are now the other's: its rectangle has a uniformly drawn area and middle.
    """
    width, height = image.size
    part = math.sqrt(rng.random())
    x, y = rng.random() * width, rng.random() * height
    left, right = (round(min(max(x + side * part * width / 2, 0), width)) for side in (-1, 1))
    top, bottom = (round(min(max(y + side * part * height / 2, 0), height)) for side in (-1, 1))
    image.paste(other.crop((left, top, right, bottom)), (left, top))
    return (right - left) * (bottom - top) / (width * height)


def whole_picture(image: Image.Image, side: int) -> Image.Image:
    """The picture as a classifier sees it when it serves: stretched to (side, side)."""
    return image.resize((side, side), Image.Resampling.BILINEAR)


def log_uniform(span: tuple[float, float], rng: np.random.Generator) -> float:
    """A number of [low, high] whose logarithm is uniform."""
    return math.exp(rng.uniform(math.log(span[0]), math.log(span[1])))


def _span(length: int, side: float, crop: int, step: int, rng: np.random.Generator) -> tuple[float, float, int, int]:
    """Along one axis: source interval [start, end) and crop pixels [first, last) it fills, multiples of ``step``."""
    if side <= length:
        start = rng.uniform(0, length - side)
        return start, start + side, 0, crop
    filled = step * max(1, round(crop * length / side / step))
    first = step * int(rng.integers(0, (crop - filled) // step + 1))
    return 0, length, first, first + filled


def recolour(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Brightness, contrast and saturation, each by a factor within 1 +- ``strength``; seldom grey."""
    if strength == 0:
        return image
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(rng.uniform(1 - strength, 1 + strength))
    return image.convert("L").convert("RGB") if rng.random() < 0.03 else image
