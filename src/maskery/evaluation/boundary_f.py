"""How well outlines are met: the boundary F of Csurka et al. (BMVC 2013, "What is a good evaluation measure for
semantic segmentation?"), which DAVIS (Perazzi et al., CVPR 2016) calls F. docs/evaluation.md says every choice.

All classes of a picture are looked at together: a pixel is a set of classes, one bit each, so that one dilation of
integers dilates the outlines of up to 64 classes.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Ids
from maskery.core.labels import IGNORE

OF_DIAGONAL = 0.0075
NOWHERE = 65535
"""The id of pixels that are not measured, above every class."""


def tolerance_of(size_wh: tuple[int, int]) -> int:
    """How many pixels an outline may be off in a picture of this size: 0.75 % of the diagonal, as in Csurka et al."""
    return max(1, round(OF_DIAGONAL * math.hypot(*size_wh)))


class BoundaryF:
    """The mean over pictures of each class's F. ``tolerance`` in pixels; None = ``tolerance_of`` each picture."""

    def __init__(self, classes: int, tolerance: int | None = None) -> None:
        self.classes, self.tolerance = classes, tolerance
        self._sums = np.zeros(classes)
        self._pictures = np.zeros(classes, dtype=np.int64)

    def add(self, truth: NDArray[np.integer], predicted: NDArray[np.integer]) -> None:
        """Judge one picture: both (H, W) ids as ``metrics.count`` takes them."""
        tolerance = self.tolerance or tolerance_of((truth.shape[1], truth.shape[0]))
        scores = boundary_f(truth, predicted, self.classes, tolerance)
        there = ~np.isnan(scores)
        self._sums[there] += scores[there]
        self._pictures += there

    def by_class(self) -> list[float | None]:
        """None for a class of which no truth had an outline."""
        return [float(s / n) if n else None for s, n in zip(self._sums, self._pictures, strict=True)]


def boundary_f(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], classes: int, tolerance: int
) -> NDArray[np.float64]:
    """F = 2 P R / (P + R) by class, (C,) float64: P is the share of the predicted outline's pixels that have one of the
    true outline within ``tolerance`` pixels, R the share of the true outline's that have a predicted one so near.

    NaN for a class that has no outline in the truth: what is seen where there is nothing lowers the IoU, not this.
    """
    true = np.minimum(truth, classes).astype(np.uint16)
    true[truth == IGNORE] = NOWHERE
    if (true == NOWHERE).any():
        true = without_thin_gaps(true, tolerance)
    prediction = np.minimum(predicted, classes).astype(np.uint16)
    prediction[true == NOWHERE] = NOWHERE
    true_at, prediction_at = _outline(true, classes), _outline(prediction, classes)
    scores = np.full(classes, np.nan)
    present = np.unique(true.flat[true_at])
    for group in np.split(present, range(64, len(present), 64)):
        near_prediction, of_prediction = _met(prediction, prediction_at, true, true_at, group, tolerance)
        near_true, of_true = _met(true, true_at, prediction, prediction_at, group, tolerance)
        below = near_prediction * of_true + near_true * of_prediction
        scores[group] = np.where(of_true > 0, 2 * near_prediction * near_true / np.maximum(below, 1), np.nan)
    return scores


def _outline(ids: Ids, classes: int) -> NDArray[np.intp]:
    """Flat indices of the pixels that have one of the 4 next pixels in another class. ``NOWHERE`` has no outline
    and makes none; ``classes`` (something else) makes one but has none.
    """
    outline = np.zeros(ids.shape, bool)
    for axis in (0, 1):
        here, there = _pair(ids, axis)
        changes = (here != there) & (here != NOWHERE) & (there != NOWHERE)
        for half in _pair(outline, axis):
            half |= changes
    outline &= ids < classes
    return np.flatnonzero(outline)


def _met(
    ids: Ids, at: NDArray[np.intp], others: Ids, others_at: NDArray[np.intp], group: Ids, tolerance: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """By class of ``group``: how many of the outline's pixels ``at`` have one of the other outline near, and how many
    there are.
    """
    bit_of = np.zeros(NOWHERE + 1, _integer(len(group)))
    bit_of[group] = 1 << np.arange(len(group), dtype=bit_of.dtype)
    outline = np.zeros(ids.shape, bit_of.dtype)
    outline.flat[others_at] = bit_of[others.flat[others_at]]
    mine = ids.flat[at]
    met = (dilated(outline, tolerance).flat[at] & bit_of[mine]) != 0
    length = NOWHERE + 1
    near, all_of = np.bincount(mine[met], minlength=length), np.bincount(mine, minlength=length)
    return near[group].astype(np.float64), all_of[group].astype(np.float64)


def _integer(bits: int) -> type[np.unsignedinteger[Any]]:
    sizes: tuple[type[np.unsignedinteger[Any]], ...] = (np.uint8, np.uint16, np.uint32, np.uint64)
    return next(kind for kind in sizes if bits <= np.iinfo(kind).bits)


def dilated(sets: NDArray[Any], radius: int) -> NDArray[Any]:
    """Every pixel's set of bits, or flag, united with those of all pixels within ``radius`` (Euclidean). (H, W)."""
    wide, out, reach = sets.copy(), np.zeros_like(sets), 0
    for dy in range(min(radius, len(sets) - 1), -1, -1):
        while reach < math.isqrt(radius * radius - dy * dy):
            reach += 1
            wide[:, reach:] |= sets[:, :-reach]
            wide[:, :-reach] |= sets[:, reach:]
        out[dy:] |= wide[: len(wide) - dy]
        out[: len(wide) - dy] |= wide[dy:]
    return out


def without_thin_gaps(ids: Ids, reach: int) -> Ids:
    """Gaps of ``NOWHERE`` that are at most twice ``reach`` pixels wide go to the classes beside them, nearest first.

    So the outline lies in the middle of the rim that Pascal VOC leaves around its objects. Wide gaps stay as they are.
    """
    gap, grown = ids == NOWHERE, ids.copy()
    for _ in range(reach):
        before = grown.copy()
        for axis in (0, 1):
            for target, source in _both_ways(_pair(grown, axis), _pair(before, axis)):
                np.copyto(target, source, where=target == NOWHERE)
    wide = grown == NOWHERE
    for _ in range(reach):
        before_wide = wide.copy()
        for axis in (0, 1):
            for flags, next_flags in _both_ways(_pair(wide, axis), _pair(before_wide, axis)):
                flags |= next_flags
    grown[wide & gap] = NOWHERE
    return grown


def _pair(map: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Views of all pixels that have a next one along ``axis``, and of those next ones."""
    return (map[:-1], map[1:]) if axis == 0 else (map[:, :-1], map[:, 1:])


def _both_ways(
    targets: tuple[NDArray[Any], NDArray[Any]], sources: tuple[NDArray[Any], NDArray[Any]]
) -> tuple[tuple[NDArray[Any], NDArray[Any]], ...]:
    """Each pixel with the one after it and with the one before it."""
    return (targets[0], sources[1]), (targets[1], sources[0])
