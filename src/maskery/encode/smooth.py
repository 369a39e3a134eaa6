"""A mask without specks and with smooth edges, as background removers post-process it."""

import numpy as np
from numpy.typing import NDArray

from maskery.encode import png

# A Gaussian of sigma 2 at the five pixels around its centre.
RADIUS = 2
WEIGHTS = np.exp(-(np.arange(-RADIUS, RADIUS + 1, dtype=np.float32) ** 2) / 8)
WEIGHTS /= WEIGHTS.sum()
# Rounded to whole numbers, 127 and more are foreground.
LEAST = 126.5


def smoothed(alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W) uint8 -> (H, W) uint8 of 0 and 255: opened by a cross of 3 x 3, blurred over 5 x 5 pixels, decided again.

    Pixels beyond the edge are ignored by the opening and mirrored by the blur.
    """
    opened = _spread(_spread(alpha, np.minimum), np.maximum)
    around = np.pad(opened, RADIUS, mode="reflect")
    result = np.empty_like(opened)
    height, width = alpha.shape
    rows = png.band_rows(4 * width)
    for top in range(0, height, rows):
        band = around[top : top + rows + 2 * RADIUS].astype(np.float32)
        down = sum(weight * band[i : len(band) - 2 * RADIUS + i] for i, weight in enumerate(WEIGHTS))
        across = sum(weight * down[:, i : i + width] for i, weight in enumerate(WEIGHTS))
        result[top : top + rows] = np.where(across >= LEAST, np.uint8(255), np.uint8(0))
    return result


def _spread(alpha: NDArray[np.uint8], pick: np.ufunc) -> NDArray[np.uint8]:
    """Each pixel: ``pick`` of itself and its four neighbours."""
    spread = alpha.copy()
    pick(spread[1:], alpha[:-1], out=spread[1:])
    pick(spread[:-1], alpha[1:], out=spread[:-1])
    pick(spread[:, 1:], alpha[:, :-1], out=spread[:, 1:])
    pick(spread[:, :-1], alpha[:, 1:], out=spread[:, :-1])
    return spread
