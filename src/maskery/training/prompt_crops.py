"""The stream of crops that ``prompt`` learns from: a window around an object, and what is asked for in it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from maskery.core.arrays import Pixels
from maskery.core.labels import IGNORE
from maskery.core.result.instances import CropMask
from maskery.datasets.base import ObjectPicture, read_rgb
from maskery.training.augment import PAD_GREY, log_uniform, recolour
from maskery.training.crops import Stream, pixels
from maskery.training.recipe import Recipe

ASKED = 2
"""Objects that are asked for in each crop."""
SEEN, LARGE = 0.6, 0.06
"""Another object is asked for where this share of it is in the crop, and its sides are this share of the crop's."""


@dataclass(frozen=True)
class SquareWindow:
    """A square of a picture, that may reach beyond it: ``left``, ``top`` and ``side`` in its whole pixels."""

    left: int
    top: int
    side: int

    def share_of(self, mask: CropMask) -> float:
        """How much of a mask's box lies in the window, 0 to 1."""
        (left, top), (width, height) = mask.left_top, mask.size_wh
        wide = min(left + width, self.left + self.side) - max(left, self.left)
        high = min(top + height, self.top + self.side) - max(top, self.top)
        return max(0, wide) * max(0, high) / (width * height)

    def picture(self, picture: Image.Image, side: int) -> Image.Image:
        """The part of ``picture`` in ``side`` x ``side`` pixels; what is beyond it is grey."""
        return self._part(picture, Image.new("RGB", (self.side, self.side), (PAD_GREY,) * 3), side)

    def mask(self, mask: CropMask, side: int) -> Pixels:
        """(side, side) uint8: 1 where more than half of the pixel is the mask's."""
        canvas = Image.new("L", (self.side, self.side))
        whole = Image.fromarray(mask.decoded().astype(np.uint8) * 255) if mask.area else canvas
        canvas.paste(whole, (mask.left_top[0] - self.left, mask.left_top[1] - self.top))
        return (np.asarray(canvas.resize((side, side), Image.Resampling.BILINEAR)) > 127).astype(np.uint8)

    def _part(self, picture: Image.Image, canvas: Image.Image, side: int) -> Image.Image:
        box = (
            max(0, self.left),
            max(0, self.top),
            min(picture.width, self.left + self.side),
            min(picture.height, self.top + self.side),
        )
        canvas.paste(picture.crop(box), (box[0] - self.left, box[1] - self.top))
        return canvas.resize((side, side), Image.Resampling.BILINEAR)


def window_around(mask: CropMask, factor: float, shift_xy: tuple[float, float] = (0.0, 0.0)) -> SquareWindow:
    """A window of ``factor`` times the longer side of the object's box; shifts of -1 to 1 move
    the window until the box lies at its edge."""
    (left, top), (width, height) = mask.left_top, mask.size_wh
    side = max(16, math.ceil(max(width, height) * factor))
    x, y = (
        start + size / 2 - side / 2 + shift * max(0, side - size) / 2
        for start, size, shift in ((left, width, shift_xy[0]), (top, height, shift_xy[1]))
    )
    return SquareWindow(round(x), round(y), side)


def whole_window(size_wh: tuple[int, int]) -> SquareWindow:
    """The letterbox: all of the picture, in the middle."""
    side = max(size_wh)
    return SquareWindow((size_wh[0] - side) // 2, (size_wh[1] - side) // 2, side)


class PromptCrops(Stream):
    """Item i: a crop (3, S, S) uint8 and ``ASKED`` objects (2, S / stride, S / stride) uint8: 1 object, 0 not, 255 not
    judged. The second is another object of the crop, where there is one.

    ``times``: how often each picture comes in an epoch.
    """

    def __init__(self, pictures: Sequence[ObjectPicture], times: Sequence[float], recipe: Recipe) -> None:
        self.pictures = pictures
        super().__init__(np.array(times, np.float64), recipe)

    def name(self, position: int) -> str:
        return self.pictures[int(self.order[position])].path.stem

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        source, rng, data = self.pictures[int(self.order[position])], self._generator(position), self.data
        masks = source.objects
        sizes = np.array([mask.area for mask in masks]) ** 0.25
        first = masks[int(rng.choice(len(masks), p=sizes / sizes.sum()))]
        window = self._window(source, first, rng)
        others = [mask for mask in masks if mask is not first and _worth_asking(mask, window)]
        asked = [first, others[int(rng.integers(len(others)))] if others else first]
        side = data.crop // data.mask_stride
        ignored = window.mask(source.ignored, side).astype(bool)
        targets = np.stack([np.where(ignored, np.uint8(IGNORE), window.mask(mask, side)) for mask in asked])
        crop = recolour(window.picture(read_rgb(source.path), data.crop), data.colour_jitter, rng)
        if data.flip and rng.random() < 0.5:
            crop, targets = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT), targets[..., ::-1].copy()
        return pixels(crop), torch.from_numpy(targets)

    def _window(self, source: ObjectPicture, mask: CropMask, rng: np.random.Generator) -> SquareWindow:
        settings = self.recipe.prompts
        if rng.random() < settings.whole:
            return whole_window(source.size_wh)
        shift = rng.uniform(-settings.shift, settings.shift, 2)
        return window_around(mask, log_uniform(self.data.scale, rng), (float(shift[0]), float(shift[1])))


def _worth_asking(mask: CropMask, window: SquareWindow) -> bool:
    return min(mask.size_wh) > LARGE * window.side and window.share_of(mask) > SEEN
