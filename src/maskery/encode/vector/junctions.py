"""Borders that neighbours share: junctions, and simplification that keeps them shared.

A junction is a grid point where three or more borders meet, the picture's own border counted, or a corner of the
picture. Junctions stay where they are; the line between two of them belongs to the same two neighbours all along.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import ClassMap, Integers
from maskery.encode.vector.contours import Rings
from maskery.encode.vector.simplify import kept_points

OUTSIDE = -1  # as the class of what surrounds the picture


def with_junctions(rings: Rings, class_map: ClassMap) -> tuple[Rings, NDArray[np.bool_]]:
    """The rings with every junction on them as a point of its own, also where a ring goes straight on; (n,) junctions.

    ``rings`` must be as traced: first a horizontal edge, then a vertical one, and so on.
    """
    height, width = class_map.shape
    by_row = _junctions(rings, class_map)
    junctions = np.stack([by_row % (width + 1), by_row // (width + 1)], 1)
    by_column = np.sort(junctions[:, 0] * (height + 1) + junctions[:, 1])
    flat = np.arange(len(rings.points)) % 2 == 0
    start, stop = rings.points, rings.points[_next_points(rings)]
    # Each edge's own numbering of the grid points: along it they count one by one.
    from_key = np.where(flat, start[:, 1] * (width + 1) + start[:, 0], start[:, 0] * (height + 1) + start[:, 1])
    to_key = np.where(flat, stop[:, 1] * (width + 1) + stop[:, 0], stop[:, 0] * (height + 1) + stop[:, 1])
    low, high = np.minimum(from_key, to_key), np.maximum(from_key, to_key)
    first = np.where(flat, np.searchsorted(by_row, low, "right"), np.searchsorted(by_column, low, "right"))
    last = np.where(flat, np.searchsorted(by_row, high), np.searchsorted(by_column, high))
    between = last - first
    edge = np.repeat(np.arange(len(start)), between + 1)
    place = np.arange(len(edge)) - np.repeat(np.cumsum(between + 1) - between - 1, between + 1)
    rank = np.where((to_key > from_key)[edge], first[edge] + place - 1, last[edge] - place)
    points = start[edge]
    new = place > 0
    across, down = new & flat[edge], new & ~flat[edge]
    points[across, 0] = by_row[rank[across]] % (width + 1)
    points[down, 1] = by_column[rank[down]] % (height + 1)
    starts = np.append(0, np.cumsum(between + 1))[rings.starts]
    return replace(rings, points=points, starts=starts), new | _among(_keys(points, width), by_row)


def simplified(rings: Rings, fixed: NDArray[np.bool_], width: int, tolerance: float) -> Rings:
    """Fewer points, none of those left out farther than ``tolerance`` from the new line.

    Lines are simplified from fixed point to fixed point, and a ring without any from its first point in reading order:
    where the junctions are fixed, a neighbour's line becomes the same. Rings that shrink to a line are left out.
    ``width``: the map's.
    """
    if not len(rings.ids):
        return rings
    keys = _keys(rings.points, width)
    begin, counts = rings.starts[:-1], np.diff(rings.starts)
    first_key = np.repeat(np.minimum.reduceat(keys, begin), counts)
    fixed = fixed | (keys == first_key) & ~np.repeat(np.logical_or.reduceat(fixed, begin), counts)
    index = _closed(begin, counts, fixed)
    kept = kept_points(rings.points[index], fixed[index], keys[index], tolerance)
    closed_starts = begin + np.arange(len(begin))
    kept[closed_starts + counts] = False  # what closes a ring repeats its first point
    left = np.add.reduceat(kept, closed_starts)
    area = left > 2
    kept &= np.repeat(area, counts + 1)
    return Rings(
        points=rings.points[index][kept],
        starts=np.append(0, np.cumsum(left[area])),
        ids=rings.ids[area],
        pieces=rings.pieces[area],
        areas=rings.areas[area],
    )


def _closed(begin: Integers, counts: Integers, fixed: NDArray[np.bool_]) -> Integers:
    """Indices of points that walk each ring from its first fixed point, and back to it."""
    first = np.minimum.reduceat(np.where(fixed, np.arange(len(fixed)), len(fixed)), begin) - begin
    step = np.arange(len(fixed) + len(begin)) - np.repeat(begin + np.arange(len(begin)), counts + 1)
    turned = (np.repeat(first, counts + 1) + step) % np.repeat(counts, counts + 1)
    return np.repeat(begin, counts + 1) + turned


def _next_points(rings: Rings) -> Integers:
    """(n,): the index of the point that follows each one on its ring."""
    following = np.arange(1, len(rings.points) + 1)
    following[rings.starts[1:] - 1] = rings.starts[:-1]
    return following


def _keys(points: Integers, width: int) -> Integers:
    return points[:, 1] * (width + 1) + points[:, 0]


def _junctions(rings: Rings, class_map: ClassMap) -> Integers:
    """Keys, in order, of the junctions among the rings' points."""
    width = class_map.shape[1]
    keys = np.unique(_keys(rings.points, width))
    y, x = keys // (width + 1), keys % (width + 1)
    around = [_class_at(class_map, y - 1 + down, x - 1 + right) for down in (0, 1) for right in (0, 1)]
    upper_left, upper_right, lower_left, lower_right = around
    borders, outside = np.zeros(len(keys), np.int64), np.zeros(len(keys), np.int64)
    for one, other in (
        (upper_left, upper_right),
        (lower_left, lower_right),
        (upper_left, lower_left),
        (upper_right, lower_right),
    ):
        borders += one != other
    for classes in around:
        outside += classes == OUTSIDE
    junctions: Integers = keys[(borders > 2) | (outside == 3)]
    return junctions


def _among(keys: Integers, known: Integers) -> NDArray[np.bool_]:
    """(n,): whether each key is one of ``known``, which is in order."""
    if not len(known):
        return np.zeros(len(keys), np.bool_)
    found: NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, keys), len(known) - 1)] == keys
    return found


def _class_at(class_map: ClassMap, y: Integers, x: Integers) -> Integers:
    """(n,): the class of pixels, ``OUTSIDE`` beyond the picture."""
    height, width = class_map.shape
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    classes: Integers = class_map[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)].astype(np.int64)
    classes[~inside] = OUTSIDE
    return classes
