"""COCO's ways to write a mask, polygons and run lengths -> pixels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Mask
from maskery.core.errors import DataError

CROSSINGS_AT_MOST = 50_000_000  # of a polygon's edges with rows of pixels
BITS, MORE, SIGN, FIRST_CHARACTER = 5, 32, 16, 48  # of compressed run lengths


def polygons_mask(rings: Sequence[Sequence[float]], size_wh: tuple[int, int]) -> Mask:
    """(H, W): pixels whose centre is inside one of ``rings`` [x, y, x, y, ...]. Raises ``DataError``."""
    mask = np.zeros(size_wh[::-1], np.bool_)
    for ring in rings:
        if len(ring) < 6 or len(ring) % 2:
            raise DataError(f"a polygon has {len(ring)} numbers", "It needs x, y of three points or more.")
        mask |= _filled(np.asarray(ring, np.float64).reshape(-1, 2), size_wh)
    return mask


def _filled(ring: NDArray[np.float64], size_wh: tuple[int, int]) -> Mask:
    """Every edge turns over all pixels to its right, row by row: inside are those that were turned an odd number."""
    width, height = size_wh
    here, there = ring, np.roll(ring, -1, axis=0)
    low, high = np.minimum(here[:, 1], there[:, 1]), np.maximum(here[:, 1], there[:, 1])
    first, last = (np.clip(np.ceil(y - 0.5), 0, height).astype(np.int64) for y in (low, high))
    counts = last - first
    if counts.sum() > CROSSINGS_AT_MOST:
        raise DataError(f"a polygon has {len(ring):,} points on {height:,} rows", "Simplify it.")
    edge = np.repeat(np.arange(len(ring)), counts)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    slope = (there[edge, 0] - here[edge, 0]) / (there[edge, 1] - here[edge, 1])
    x = here[edge, 0] + (row + 0.5 - here[edge, 1]) * slope
    turned = np.zeros((height, width + 1), np.bool_)
    np.logical_xor.at(turned, (row, np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)), True)
    filled: Mask = np.logical_xor.accumulate(turned, axis=1)[:, :width]
    return filled


def runs_mask(counts: Sequence[int], size_wh: tuple[int, int]) -> Mask:
    """(H, W) from lengths of runs, zeros first, column by column. Raises ``DataError`` where they do not fill it."""
    width, height = size_wh
    if sum(counts) != width * height or min(counts, default=0) < 0:
        raise DataError(f"run lengths add up to {sum(counts)}, not {width} x {height} pixels", "Write them again.")
    values = np.arange(len(counts)) % 2 == 1
    mask: Mask = np.repeat(values, np.asarray(counts, np.int64)).reshape(width, height).T
    return mask


def decompressed(text: str) -> list[int]:
    """COCO's text -> lengths of runs; the inverse of ``encode.annotations.coco.compressed``. Raises ``DataError``."""
    counts, value, shift = list[int](), 0, 0
    for character in text:
        digit = ord(character) - FIRST_CHARACTER
        if not 0 <= digit < 2 * MORE or shift > 60:
            raise DataError(f"run lengths have the character {character!r}", "Write them again.")
        value |= (digit & (MORE - 1)) << shift
        shift += BITS
        if not digit & MORE:
            value -= (1 << shift) if digit & SIGN else 0
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value, shift = 0, 0
    return counts
