"""Scores of the working size -> decisions at the original size: the inverse of ``preprocess``.

Scores are interpolated bilinearly (half-pixel centres, edges clamped) and decided afterwards. A cell of four
neighbouring score positions that agree on the best class needs no interpolation: every convex combination of scores in
which class j is the largest has class j as the largest. Only cells whose corners disagree are interpolated.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskery.engine.preprocess import Placement

Scores = NDArray[np.float32]
ClassMap = NDArray[np.uint8] | NDArray[np.uint16]

# Pixels whose scores are held at once; times classes times 4 bytes bounds the memory of a decision.
BAND_PIXELS = 1 << 16


@dataclass(frozen=True)
class Axis:
    """For each original pixel along one axis: the two score positions around its centre and the second one's weight.

    ``low`` and ``high`` are (n,) intp, non-decreasing, ``weight`` (n,) float32 in 0..1.
    """

    low: NDArray[np.intp]
    high: NDArray[np.intp]
    weight: NDArray[np.float32]

    def part(self, start: int, stop: int, origin: int = 0) -> "Axis":
        """Pixels ``start`` to ``stop``, into scores of which those before position ``origin`` are not there."""
        return Axis(self.low[start:stop] - origin, self.high[start:stop] - origin, self.weight[start:stop])


def axes(placement: Placement, scores_wh: tuple[int, int]) -> tuple[Axis, Axis]:
    """The x and y axis from original pixels to a score map of ``scores_wh`` that covers the working picture."""
    x, y = (
        _axis(placement.original_wh[i], placement.offset_xy[i], placement.content_wh[i], placement.working_wh[i], n)
        for i, n in enumerate(scores_wh)
    )
    return x, y


def _axis(original: int, offset: int, content: int, working: int, scores: int) -> Axis:
    ratio = scores / working
    centre = (offset + (np.arange(original) + 0.5) * (content / original)) * ratio - 0.5
    # Positions in the padding are never looked at: they are the model's opinion of grey.
    first = min(max(0, int(np.ceil(offset * ratio - 0.5))), scores - 1)
    last = max(first, min(scores - 1, int(np.floor((offset + content) * ratio - 0.5))))
    centre = np.clip(centre, first, last)
    low = np.minimum(centre.astype(np.intp), last)
    return Axis(low, np.minimum(low + 1, last), (centre - low).astype(np.float32))


def class_map(scores: Scores, placement: Placement) -> ClassMap:
    """Best class of every original pixel.

    ``scores``: (C, h, w) float32 covering the working picture. Returns (H, W) uint8 (uint16 above 255 classes). Equal
    to the argmax of all interpolated scores, ties to the last bit aside.
    """
    return decide(scores, *axes(placement, (scores.shape[2], scores.shape[1])))


def decide(scores: Scores, x: Axis, y: Axis) -> ClassMap:
    """``class_map`` at the pixels of any two axes into ``scores``: a band of rows, say."""
    best: ClassMap = scores.argmax(0).astype(np.uint8 if len(scores) <= 255 else np.uint16)
    decided: ClassMap = best.take(x.low, axis=1).take(y.low, axis=0)
    mixed = _mixed_cells(best)
    for row in np.flatnonzero(mixed.any(1)):
        top, bottom = (int(v) for v in np.searchsorted(y.low, (row, row + 1)))
        if top < bottom:
            _decide_row(scores, mixed[row], decided[top:bottom], x, y.part(top, bottom))
    return decided


def _mixed_cells(best: ClassMap) -> NDArray[np.bool_]:
    """(h, w): whether the corners (y, x), (y, x+1), (y+1, x), (y+1, x+1) name different classes; edges clamped."""
    mixed = np.zeros(best.shape, dtype=bool)
    across = best[:, 1:] != best[:, :-1]
    down = best[1:] != best[:-1]
    mixed[:, :-1] |= across
    mixed[:-1, :-1] |= across[1:]
    mixed[:-1] |= down
    mixed[:-1, :-1] |= down[:, 1:]
    return mixed


def _decide_row(scores: Scores, mixed: NDArray[np.bool_], decided: ClassMap, x: Axis, y: Axis) -> None:
    """Interpolate the mixed cells of one row of cells (all rows of ``y`` lie in it) and write their best classes."""
    columns = np.flatnonzero(mixed[x.low])
    if not columns.size:
        return
    upper, lower = scores[:, y.low[0]], scores[:, y.high[0]]
    left, right = np.flatnonzero(mixed), np.minimum(np.flatnonzero(mixed) + 1, scores.shape[2] - 1)
    classes = _contenders(np.stack([upper[:, left], upper[:, right], lower[:, left], lower[:, right]]))
    low, high, weight = x.low[columns], x.high[columns], x.weight[columns]
    above = _lerp(upper[np.ix_(classes, low)], upper[np.ix_(classes, high)], weight)
    below = _lerp(lower[np.ix_(classes, low)], lower[np.ix_(classes, high)], weight)
    step = max(1, BAND_PIXELS // len(columns))
    for start in range(0, len(y.weight), step):
        weights = y.weight[start : start + step, None, None]
        choice = _lerp(above[None], below[None], weights).argmax(1)
        decided[start : start + step, columns] = classes[choice].astype(decided.dtype)


def _contenders(corners: Scores) -> NDArray[np.intp]:
    """Classes that can win somewhere in some cell; ``corners`` is (4, C, cells).

    A class whose largest corner lies below another's smallest corner loses everywhere in the cell.
    """
    floor = corners.min(0).max(0)
    margin = 1e-5 * (1 + np.abs(floor))
    return np.flatnonzero((corners.max(0) >= floor - margin).any(1))


def _lerp(first: Scores, second: Scores, weight: NDArray[np.float32]) -> Scores:
    result: Scores = first * (1 - weight)
    result += second * weight
    return result


def nearest_map(labels: ClassMap, placement: Placement) -> ClassMap:
    """A class map (h, w) of the working picture at the original size, by nearest neighbour."""
    return nearest(labels, *axes(placement, (labels.shape[1], labels.shape[0])))


def nearest(labels: ClassMap, x: Axis, y: Axis) -> ClassMap:
    """``nearest_map`` at the pixels of any two axes into ``labels``."""
    columns = np.where(x.weight >= 0.5, x.high, x.low)
    rows = np.where(y.weight >= 0.5, y.high, y.low)
    enlarged: ClassMap = labels.take(columns, axis=1).take(rows, axis=0)
    return enlarged


def interpolated_bands(scores: Scores, placement: Placement) -> "list[tuple[slice, BandReader]]":
    """Row bands of the original picture, each with a reader that interpolates all scores there."""
    x, y = axes(placement, (scores.shape[2], scores.shape[1]))
    width, height = placement.original_wh
    step = max(1, BAND_PIXELS // width)
    return [
        (slice(start, min(start + step, height)), BandReader(scores, x, y.part(start, start + step)))
        for start in range(0, height, step)
    ]


@dataclass(frozen=True)
class BandReader:
    """Interpolates (C, h, w) scores at the pixels of two axes."""

    scores: Scores
    x: Axis
    y: Axis

    def read(self) -> Scores:
        """(C, rows, columns) float32."""
        first, last = int(self.y.low[0]), int(self.y.high[-1])
        rows = self.scores[:, first : last + 1]
        wide = _lerp(rows[:, :, self.x.low], rows[:, :, self.x.high], self.x.weight)
        return _lerp(wide[:, self.y.low - first], wide[:, self.y.high - first], self.y.weight[:, None])
