"""Pictures and masks -> training crops. Everything random comes from one generator, so a crop is reproducible."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from maskery.datasets.base import IGNORE
from maskery.training.recipe import Data

PAD_GREY = 127


def random_crop(
    image: Image.Image, mask: NDArray[np.uint8], data: Data, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Scale, crop, flip and recolour.

    ``image`` RGB (H, W), ``mask`` (H, W) uint8. Returns the crop (crop, crop, 3) uint8 and its mask
    (crop / mask_stride) squared, uint8; outside the picture the crop is grey and the mask ``IGNORE``.
    """
    width, height = image.size
    low, high = data.scale
    short = data.crop * math.exp(rng.uniform(math.log(low), math.log(high)))
    side = data.crop * min(width, height) / short
    step = data.mask_stride
    x0, x1, left, right = _span(width, side, data.crop, step, rng)
    y0, y1, top, bottom = _span(height, side, data.crop, step, rng)
    box = (x0, y0, x1, y1)
    crop = Image.new("RGB", (data.crop, data.crop), (PAD_GREY,) * 3)
    crop.paste(image.resize((right - left, bottom - top), Image.Resampling.BILINEAR, box=box), (left, top))
    target = Image.new("L", (data.crop // step, data.crop // step), IGNORE)
    coarse = ((right - left) // step, (bottom - top) // step)
    target.paste(Image.fromarray(mask).resize(coarse, Image.Resampling.NEAREST, box=box), (left // step, top // step))
    if data.flip and rng.random() < 0.5:
        crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        target = target.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(_recolour(crop, data.colour_jitter, rng)), np.asarray(target)


def _span(length: int, side: float, crop: int, step: int, rng: np.random.Generator) -> tuple[float, float, int, int]:
    """Along one axis: source interval [start, end) and crop pixels [first, last) it fills, multiples of ``step``."""
    if side <= length:
        start = rng.uniform(0, length - side)
        return start, start + side, 0, crop
    filled = step * max(1, round(crop * length / side / step))
    first = step * int(rng.integers(0, (crop - filled) // step + 1))
    return 0, length, first, first + filled


def _recolour(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Brightness, contrast and saturation, each by a factor within 1 +- ``strength``; seldom grey."""
    if strength == 0:
        return image
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(rng.uniform(1 - strength, 1 + strength))
    return image.convert("L").convert("RGB") if rng.random() < 0.03 else image
