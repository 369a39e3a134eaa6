"""Scores of the working size -> decisions at the original size: the inverse of ``preprocess``.

Scores are interpolated bilinearly (half-pixel centres, edges clamped) and decided afterwards. A cell of four
neighbouring score positions that agree on the best class needs no interpolation: every convex combination of scores in
which class j is the largest has class j as the largest. Only cells whose corners disagree are interpolated.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import ClassMap, Positions, Scores
from maskery.core.plan import Placement
from maskery.inference.upsample import cells
from maskery.inference.upsample.cells import Axis as Axis
from maskery.inference.upsample.cells import lerp

# Pixels whose scores are held at once; times classes times 4 bytes bounds the memory of a decision.
BAND_PIXELS = 1 << 16
# Up to how many scores a pixel of a coarse grid all of them are compared.
FEW_TIMES = 4


def axes(placement: Placement, scores_wh: tuple[int, int]) -> tuple[Axis, Axis]:
    """The x and y axis from original pixels to a score map of ``scores_wh`` that covers the working picture."""
    width, height = placement.original_wh
    return axes_at(placement, scores_wh, np.arange(width) + 0.5, np.arange(height) + 0.5)


def axes_at(placement: Placement, scores_wh: tuple[int, int], x: Positions, y: Positions) -> tuple[Axis, Axis]:
    """As ``axes``, for any positions (n,) in pixels of the original picture; a pixel's middle is at a half."""
    across, down = (_axis(places, placement, i, n) for i, (places, n) in enumerate(zip((x, y), scores_wh, strict=True)))
    return across, down


def _axis(places: Positions, placement: Placement, i: int, scores: int) -> Axis:
    offset, content = placement.offset_xy[i], placement.content_wh[i]
    ratio = scores / placement.working_wh[i]
    centre = (offset + places * (content / placement.original_wh[i])) * ratio - 0.5
    # Positions in the padding are never looked at: they are the model's opinion of grey.
    first = min(max(0, int(np.ceil(offset * ratio - 0.5))), scores - 1)
    last = max(first, min(scores - 1, int(np.floor((offset + content) * ratio - 0.5))))
    centre = np.clip(centre, first, last)
    low = np.minimum(centre.astype(np.intp), last)
    return Axis(low, np.minimum(low + 1, last), (centre - low).astype(np.float32))


def class_map(scores: Scores, placement: Placement) -> ClassMap:
    """Best class of every original pixel.

    ``scores``: (C, h, w) float32 covering the working picture; best contiguous, or the view of contiguous (h, w, C).
    Returns (H, W) uint8 (uint16 above 255 classes). Equal to the argmax of all interpolated scores, ties to the last
    bit aside.
    """
    return decide(scores, *axes(placement, (scores.shape[2], scores.shape[1])))


def decide(scores: Scores, x: Axis, y: Axis) -> ClassMap:
    """``class_map`` at the pixels of any two axes into ``scores``: a band of rows, say."""
    best = cells.best_class(scores)
    decided: ClassMap = best.take(x.low, axis=1).take(y.low, axis=0)
    cells.refine(scores, cells.mixed(best), x, y, decided)
    return decided


def is_coarser(scores: Scores, placement: Placement) -> bool:
    """Whether the picture has at most as many pixels as there are scores, along both axes."""
    return all(pixels <= n for pixels, n in zip(placement.original_wh, scores.shape[:0:-1], strict=True))


def sampled_map(scores: Scores, placement: Placement) -> ClassMap:
    """Best class at the score nearest to each pixel, looking at no other scores: for grids coarser than the scores."""
    classes, height, width = scores.shape
    x, y = axes(placement, (width, height))
    rows, columns = _nearest(y), _nearest(x)
    if height * width <= FEW_TIMES * rows.size * columns.size:  # cheaper than to pick scores of every class
        return cells.best_class(scores).take(columns, axis=1).take(rows, axis=0)
    if scores.strides[0] == scores.itemsize:  # the view of (h, w, C)
        places = (rows[:, None] * width + columns).reshape(-1)
        picked = scores.transpose(1, 2, 0).reshape(-1, classes).take(places, axis=0)
        return cells.best_class(picked.reshape(len(rows), len(columns), classes).transpose(2, 0, 1))
    return cells.best_class(np.ascontiguousarray(scores[:, rows[:, None], columns]))


def nearest_map(labels: ClassMap, placement: Placement) -> ClassMap:
    """A class map (h, w) of the working picture at the original size, by nearest neighbour."""
    return nearest(labels, *axes(placement, (labels.shape[1], labels.shape[0])))


def nearest(labels: ClassMap, x: Axis, y: Axis) -> ClassMap:
    """``nearest_map`` at the pixels of any two axes into ``labels``."""
    enlarged: ClassMap = labels.take(_nearest(x), axis=1).take(_nearest(y), axis=0)
    return enlarged


def _nearest(axis: Axis) -> NDArray[np.intp]:
    """The nearer one of the two score positions, for each pixel."""
    return np.where(axis.weight >= 0.5, axis.high, axis.low)


def interpolated_bands(scores: Scores, placement: Placement) -> "list[tuple[slice, BandReader]]":
    """Row bands of the original picture, each with a reader that interpolates all scores there."""
    scores = np.ascontiguousarray(scores)
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
        wide = lerp(rows.take(self.x.low, axis=2), rows.take(self.x.high, axis=2), self.x.weight)
        low, high = (wide.take(part - first, axis=1) for part in (self.y.low, self.y.high))
        return lerp(low, high, self.y.weight[:, None])
