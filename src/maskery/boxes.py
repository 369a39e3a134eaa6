"""Boxes that a finder gives: where it takes something to be, and how sure it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BoxXyxy = tuple[float, float, float, float]

# Boxes of one thing overlap by more than this (intersection over union); two faces side by side by less.
SAME = 0.3


@dataclass(frozen=True)
class Box:
    """``xyxy``: left, top, right, bottom, in pixels, not rounded. ``score``: 0 to 1."""

    xyxy: BoxXyxy
    score: float

    @property
    def size_wh(self) -> tuple[float, float]:
        left, top, right, bottom = self.xyxy
        return right - left, bottom - top

    def moved(self, scale_xy: tuple[float, float], offset_xy: tuple[float, float]) -> "Box":
        """The box in other pixels: x becomes ``x * scale + offset``."""
        (x, y), (right, down) = scale_xy, offset_xy
        left, top, far, bottom = self.xyxy
        return Box((left * x + right, top * y + down, far * x + right, bottom * y + down), self.score)


def overlap(one: BoxXyxy, other: BoxXyxy) -> float:
    """Intersection over union, 0 to 1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (_area(one) + _area(other) - width * height)


def merged(boxes: Sequence[Box], same: float = SAME) -> list[Box]:
    """One box for each thing, the surest first.

    Boxes that overlap the surest by more than ``same`` are the same thing: its box is their mean, weighted by their
    scores, which lies better than the surest one alone ("blending", arXiv 1907.05047); its score is the highest.
    """
    left = sorted(boxes, key=lambda box: -box.score)
    found = []
    while left:
        best = left[0]
        group = [box for box in left if box is best or overlap(box.xyxy, best.xyxy) > same]
        mean = np.average([box.xyxy for box in group], axis=0, weights=[box.score for box in group])
        found.append(Box((float(mean[0]), float(mean[1]), float(mean[2]), float(mean[3])), best.score))
        left = [box for box in left if all(box is not one for one in group)]
    return found


def _area(box: BoxXyxy) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
