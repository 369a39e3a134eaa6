"""Fewer points on lines: Douglas and Peucker's way, on many lines at once and the same in both directions.

All stretches between fixed points are halved together, level by level. Distances are compared exactly as they come out
of whole numbers, and among equally far points the first in reading order is taken; so a line that two neighbours share
becomes the same line for both, whichever way they walk it.
"""

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Doubles, Integers


def kept_points(points: Integers, fixed: NDArray[np.bool_], keys: Integers, tolerance: float) -> NDArray[np.bool_]:
    """(n,): the points to keep: the ``fixed`` ones, and as few others as leave none farther off than ``tolerance``.

    ``points``: (n, 2) x and y of lines that follow each other; each must begin and end with a fixed point. ``keys``:
    (n,) a number a place, smaller = earlier in reading order.
    """
    kept = fixed.copy()
    ends = np.flatnonzero(fixed)
    starts, stops = ends[:-1], ends[1:]
    while True:
        inner = stops - starts > 1
        starts, stops = starts[inner], stops[inner]
        if not len(starts):
            return kept
        middles, far = _farthest(points, keys, starts, stops, tolerance)
        kept[middles[far]] = True
        starts, stops = (
            np.concatenate([starts[far], middles[far]]),
            np.concatenate([middles[far], stops[far]]),
        )


def _farthest(
    points: Integers, keys: Integers, starts: Integers, stops: Integers, tolerance: float
) -> tuple[Integers, NDArray[np.bool_]]:
    """Of each stretch the point farthest from its chord, and whether it is farther than ``tolerance``."""
    counts = stops - starts - 1
    offsets = np.cumsum(counts) - counts
    index = np.arange(counts.sum()) + np.repeat(starts + 1 - offsets, counts)
    squares, length = _squares(points[starts], points[stops], points[index], counts)
    most = np.maximum.reduceat(squares, offsets)
    order = np.where(squares == np.repeat(most, counts), keys[index], np.iinfo(np.int64).max)
    first = np.minimum.reduceat(order, offsets)
    middles = index[np.flatnonzero(order == np.repeat(first, counts))]
    return middles, most > tolerance * tolerance * np.where(length == 0, 1, length)


def _squares(starts: Integers, stops: Integers, inner: Integers, counts: Integers) -> tuple[Doubles, Integers]:
    """Squared distances of points to their chords, times the chords' squared lengths where not 0; those lengths."""
    chord = stops - starts
    length = (chord * chord).sum(1)
    chords, lengths = np.repeat(chord, counts, axis=0), np.repeat(length, counts)
    from_start = inner - np.repeat(starts, counts, axis=0)
    from_stop = inner - np.repeat(stops, counts, axis=0)
    along = (from_start * chords).sum(1)
    aside = (chords[:, 0] * from_start[:, 1] - chords[:, 1] * from_start[:, 0]).astype(np.float64)
    to_start = (from_start * from_start).sum(1).astype(np.float64)
    to_stop = (from_stop * from_stop).sum(1).astype(np.float64)
    beyond = np.where(along <= 0, to_start, to_stop) * np.where(lengths == 0, 1, lengths)
    return np.where((along > 0) & (along < lengths), aside * aside, beyond), length
