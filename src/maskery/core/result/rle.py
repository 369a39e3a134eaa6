"""A class map as horizontal runs of one class, and the connected pieces that runs form.

A photograph's map of 12 megapixels has some hundred thousand runs, so what is said about runs is said quickly.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import ClassMap


@dataclass(frozen=True)
class Runs:
    """The longest stretches of one id within one row, in reading order; together they are the whole map.

    ``starts``: (n,) int64, row-major index of each run's first pixel. ``lengths``: (n,) int64, pixels. ``ids``: (n,),
    of the map's dtype. ``size_wh``: the map's.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    ids: ClassMap
    size_wh: tuple[int, int]


def runs(class_map: ClassMap) -> Runs:
    """(H, W) -> its runs."""
    height, width = class_map.shape
    first = np.empty(class_map.shape, np.bool_)
    first[:, 0] = True
    np.not_equal(class_map[:, 1:], class_map[:, :-1], out=first[:, 1:])
    starts = np.flatnonzero(first)
    return Runs(starts, np.diff(starts, append=class_map.size), class_map.reshape(-1)[starts], (width, height))


def runs_of_bands(bands: Iterable[ClassMap]) -> Runs:
    """Bands (h, W) of a map, from top to bottom -> its runs."""
    parts, width, top = [], 0, 0
    for band in bands:
        part, width = runs(band), band.shape[1]
        part.starts[:] += top * width
        parts.append(part)
        top += len(band)
    starts, lengths = (np.concatenate([getattr(p, name) for p in parts]) for name in ("starts", "lengths"))
    return Runs(starts, lengths, np.concatenate([p.ids for p in parts]), (width, top))


def pieces(parts: Runs) -> NDArray[np.int64]:
    """(n,): for each run the number of the first run of its piece. A piece is 4-connected pixels of one id."""
    upper, lower = _touching(parts)
    same = parts.ids[upper] == parts.ids[lower]
    return _groups(len(parts.starts), upper[same], lower[same])


def piece_counts(parts: Runs, classes: int) -> NDArray[np.int64]:
    """(classes,): how many pieces each id has."""
    first = np.flatnonzero(pieces(parts) == np.arange(len(parts.starts)))
    return np.bincount(parts.ids[first], minlength=classes)[:classes]


def without_small(class_map: ClassMap, min_area: int, instead: int) -> tuple[ClassMap, int, int]:
    """A copy where pieces of fewer pixels than ``min_area`` have the id ``instead``; how many pieces, and pixels."""
    parts = runs(class_map)
    piece = pieces(parts)
    areas = np.bincount(piece, weights=parts.lengths, minlength=len(piece)).astype(np.int64)
    small = (areas[piece] < min_area) & (parts.ids != instead)
    ids = np.where(small, parts.ids.dtype.type(instead), parts.ids)
    count = int((small & (piece == np.arange(len(piece)))).sum())
    return np.repeat(ids, parts.lengths).reshape(class_map.shape), count, int(parts.lengths[small].sum())


def _touching(parts: Runs) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs (run, a run that lies directly below it), as two arrays of run numbers."""
    width = parts.size_wh[0]
    below = np.arange(np.searchsorted(parts.starts, width), len(parts.starts))
    start = parts.starts[below] - width
    first = np.searchsorted(parts.starts, start, "right") - 1
    last = np.searchsorted(parts.starts, start + parts.lengths[below] - 1, "right") - 1
    counts = last - first + 1
    offsets = np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(first, counts) + np.arange(len(offsets)) - offsets, np.repeat(below, counts)


def _groups(count: int, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """(count,): the smallest member of each one's group, where ``a[i]`` and ``b[i]`` belong together.

    Each round hangs every root that has a smaller neighbour below one of them and shortens all paths to one step:
    at least half of the roots that still have neighbours disappear.
    """
    parent = np.arange(count)
    while a.size:
        parent[np.maximum(a, b)] = np.minimum(a, b)
        while not np.array_equal(shorter := parent[parent], parent):
            parent = shorter
        a, b = parent[a], parent[b]
        apart = a != b
        a, b = a[apart], b[apart]
    return parent
