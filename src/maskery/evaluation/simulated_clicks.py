"""Where a person would click: first into the middle of the object, then into the middle of the largest error.

The middle of a region is its deepest pixel: the one that takes the most erosions to vanish. Erosions by a cross and by
a square in turn, so that depth is an octagonal distance, within 12 % of the Euclidean one. The rule is that of RITM
(arXiv 2102.06583) and of most papers on interactive segmentation.
"""

from dataclasses import dataclass

import numpy as np

from maskery.core.arrays import Integers, Mask
from maskery.core.result.instances import crop_mask


@dataclass(frozen=True)
class SimulatedClick:
    """``xy``: the clicked pixel's column and row. ``positive``: it belongs to the object."""

    xy: tuple[int, int]
    positive: bool

    @property
    def centre_xy(self) -> tuple[float, float]:
        """Of the pixel, in pixels of the picture."""
        return self.xy[0] + 0.5, self.xy[1] + 0.5


def depths(regions: Mask) -> Integers:
    """(..., H, W) bool -> how deep each pixel lies within its region: 0 outside, 1 on the rim; so is the border's."""
    left = np.pad(regions, [(0, 0)] * (regions.ndim - 2) + [(1, 1), (1, 1)])
    depth = left.astype(np.int64)
    square = False
    while left.any():
        rows = left.copy()
        rows[..., 1:, :] &= left[..., :-1, :]
        rows[..., :-1, :] &= left[..., 1:, :]
        wide = rows if square else left
        fewer = rows.copy()
        fewer[..., 1:] &= wide[..., :-1]
        fewer[..., :-1] &= wide[..., 1:]
        left, square = fewer, not square
        depth += left
    return depth[..., 1:-1, 1:-1]


def deepest(region: Mask) -> tuple[tuple[int, int], int]:
    """(H, W) bool -> column and row of its deepest pixel, and its depth, 0 where the region is empty.

    Of several the one nearest to their mean.
    """
    part = crop_mask(region)
    if not part.area:
        return (0, 0), 0
    depth = depths(part.decoded())
    rows, columns = np.nonzero(depth == depth.max())
    nearest = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    left, top = part.left_top
    return (int(columns[nearest]) + left, int(rows[nearest]) + top), int(depth.max())


def next_click(truth: Mask, predicted: Mask, judged: Mask, clicked: Mask | None = None) -> SimulatedClick | None:
    """The click that corrects ``predicted`` most; None where nothing is wrong.

    All (H, W). ``judged``: false where the truth says nothing. ``clicked``: pixels that were clicked before, which are
    not clicked again. The first click is the one that corrects a mask of nothing.
    """
    open_pixels = judged if clicked is None else judged & ~clicked
    missing, missing_depth = deepest(truth & ~predicted & open_pixels)
    wrong, wrong_depth = deepest(predicted & ~truth & open_pixels)
    if not max(missing_depth, wrong_depth):
        return None
    return SimulatedClick(missing, True) if missing_depth >= wrong_depth else SimulatedClick(wrong, False)


def iou(truth: Mask, predicted: Mask, judged: Mask) -> float:
    """Intersection over union of the judged pixels, 0 to 1; 1 where both are empty."""
    union = int(((truth | predicted) & judged).sum())
    return int((truth & predicted & judged).sum()) / union if union else 1.0
