"""Where something is: boxes of a detector with their scores, and of an id in a map."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BoxXyxy = tuple[float, float, float, float]

# Boxes of one thing overlap by more than this (intersection over union); two faces side by side by less.
SAME = 0.3
# Of a box that lies in a surer one: with more than this share inside, it is a part of the same thing.
INSIDE = 0.6


@dataclass(frozen=True)
class Occurrence:
    """One id of a map. ``box_xyxy``: left, top inclusive; right, bottom exclusive."""

    id: int
    pixels: int
    box_xyxy: tuple[int, int, int, int]


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
    shared = _shared(one, other)
    return shared / (_area(one) + _area(other) - shared) if shared else 0.0


def merged(boxes: Sequence[Box], same: float = SAME) -> list[Box]:
    """One box for each thing, the surest first.

    Boxes that overlap the surest by more than ``same`` are the same thing: its box is their mean, weighted by their
    scores, which lies better than the surest one alone ("blending", arXiv 1907.05047); its score is the highest. A box
    that lies mostly inside a surer one is a part of it, such as the half of a face that looks like one from near.
    """
    left = sorted(boxes, key=lambda box: -box.score)
    found: list[Box] = []
    while left:
        best = left[0]
        group = [box for box in left if box is best or overlap(box.xyxy, best.xyxy) > same]
        mean = np.average([box.xyxy for box in group], axis=0, weights=[box.score for box in group])
        whole = (float(mean[0]), float(mean[1]), float(mean[2]), float(mean[3]))
        if not any(_shared(whole, box.xyxy) > INSIDE * _area(whole) for box in found):
            found.append(Box(whole, best.score))
        left = [box for box in left if all(box is not one for one in group)]
    return found


def _shared(one: BoxXyxy, other: BoxXyxy) -> float:
    """The area that both cover."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return width * height if width > 0 and height > 0 else 0.0


def _area(box: BoxXyxy) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
