"""The square of a picture that a prompt's network looks at, and the way from its logits back to the picture."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Doubles, Floats, Tensor
from maskery.core.boxes import BoxXyxy
from maskery.core.card_tensors import Input
from maskery.core.plan import Placement
from maskery.core.result.instances import CropMask, crop_mask
from maskery.inference import preprocess
from maskery.inference.faces.region import Region
from maskery.inference.faces.view import View
from maskery.inference.upsample import resample

STRIDE = 4
"""Pixels of the network's window for one cell of its prompt maps, along each axis."""
LEAST_SIDE = 24
"""Pixels of the picture: a smaller window would show nothing but blur."""
NOTHING = CropMask((0, 0), (0, 0), np.zeros(1, np.int64))
"""The mask of no pixel."""


@dataclass(frozen=True)
class PromptWindow:
    """A square of the picture, shown to the network as ``size`` x ``size`` pixels, a multiple of 32.

    ``left``, ``top``, ``side``: whole pixels of the upright picture; it may reach beyond it, where grey is shown.
    """

    left: int
    top: int
    side: int
    size: int

    @property
    def cells(self) -> int:
        """Of a prompt map, along each axis."""
        return self.size // STRIDE

    @property
    def xyxy(self) -> tuple[int, int, int, int]:
        return self.left, self.top, self.left + self.side, self.top + self.side

    def cell_of(self, x: float, y: float) -> tuple[float, float]:
        """A place in the picture, in cells of a prompt map."""
        scale = self.cells / self.side
        return (x - self.left) * scale, (y - self.top) * scale

    def has(self, x: float, y: float) -> bool:
        """Whether a place in the picture lies in it."""
        left, top, right, bottom = self.xyxy
        return left <= x <= right and top <= y <= bottom

    def seen(self, picture_wh: tuple[int, int]) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of the part of the picture that it shows."""
        left, top, right, bottom = self.xyxy
        return max(0, left), max(0, top), min(picture_wh[0], right), min(picture_wh[1], bottom)

    def placement(self, picture_wh: tuple[int, int]) -> Placement:
        """How the part of the picture that it shows lies in it, for ``resample``; all in pixels of the picture."""
        left, top, right, bottom = self.seen(picture_wh)
        part = (right - left, bottom - top)
        return Placement(part, (self.side, self.side), part, (left - self.left, top - self.top))

    def tensor(self, view: View, spec: Input) -> Tensor:
        """(1, 3, size, size) or (1, size, size, 3), as the network takes it."""
        shown = view.crop(Region.of(self.xyxy), (self.size, self.size), spec.pad_value)
        square = (self.size, self.size)
        return preprocess.to_tensor(shown, Placement(square, square, square, (0, 0)), spec)


def whole_window(picture_wh: tuple[int, int], size: int) -> PromptWindow:
    """All of the picture, in the middle."""
    side = max(picture_wh)
    return PromptWindow(-((side - picture_wh[0]) // 2), -((side - picture_wh[1]) // 2), side, size)


def window_around(box: BoxXyxy, factor: float, size: int) -> PromptWindow:
    """The square whose side is ``factor`` times the longer side of ``box``, around its middle."""
    left, top, right, bottom = box
    side = max(LEAST_SIDE, math.ceil(factor * max(right - left, bottom - top)))
    return PromptWindow(round((left + right - side) / 2), round((top + bottom - side) / 2), side, size)


def mask_in_picture(logits: Floats, window: PromptWindow, picture_wh: tuple[int, int]) -> CropMask:
    """(h, w) of all of ``window`` -> the pixels of the picture at which the interpolated logit is above 0.

    Interpolated bilinearly, half-pixel centres, as all scores are; only around what is above 0 anywhere.
    """
    above = logits > 0
    rows, columns = np.flatnonzero(above.any(1)), np.flatnonzero(above.any(0))
    if not len(rows):
        return NOTHING
    x, y = resample.axes(window.placement(picture_wh), (logits.shape[1], logits.shape[0]))
    starts, parts = [], []
    for axis, first, last in ((x, columns[0], columns[-1]), (y, rows[0], rows[-1])):
        start, stop = int(np.searchsorted(axis.high, first)), int(np.searchsorted(axis.low, last, side="right"))
        starts.append(start)
        parts.append(axis.part(start, stop))
    if not len(parts[0].low) or not len(parts[1].low):
        return NOTHING
    decided = resample.decide(np.stack([np.zeros_like(logits), logits]), *parts)
    part = crop_mask(decided.view(np.bool_))  # of two classes the ids are 0 and 1
    if not part.area:
        return NOTHING
    left, top = window.seen(picture_wh)[:2]
    moved = (part.left_top[0] + starts[0] + left, part.left_top[1] + starts[1] + top)
    return CropMask(moved, part.size_wh, part.counts)


def resampled(values: Floats, box: BoxXyxy, window: PromptWindow) -> Floats:
    """(h, w) of all of ``box``, in pixels of the picture -> (cells, cells) of ``window``, bilinear; 0 outside of it."""
    left, top, right, bottom = box
    across = _weights(window.left, window.side, window.cells, (left, right, values.shape[1]))
    down = _weights(window.top, window.side, window.cells, (top, bottom, values.shape[0]))
    moved: Floats = (down @ values @ across.T).astype(np.float32)
    return moved


def _weights(start: int, side: int, cells: int, source: tuple[float, float, int]) -> Doubles:
    """(cells, n): how much of each of the source's n values is in each cell. ``source``: begin, end, n."""
    begin, end, count = source
    middles = start + (np.arange(cells) + 0.5) * (side / cells)
    places = np.clip((middles - begin) * (count / (end - begin)) - 0.5, 0, count - 1)
    low = np.minimum(places.astype(np.intp), count - 1)
    high, share, rows = np.minimum(low + 1, count - 1), places - low, np.arange(cells)
    weights: NDArray[np.float64] = np.zeros((cells, count))
    weights[rows, low] += 1 - share
    weights[rows, high] += share
    weights[(middles < begin) | (middles > end)] = 0
    return weights
