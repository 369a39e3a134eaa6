"""A polygon with holes as one ring, for formats that know no holes."""

import numpy as np
from numpy.typing import NDArray

from maskery.encode.outlines import Polygon

Integers = NDArray[np.int64]


def single_ring(polygon: Polygon) -> Integers:
    """(n, 2): the outer ring; at some of its points it goes to a hole, around it and back along the same line.

    Such a cut has no width and is walked once in each direction, so filling, even-odd or non-zero, gives the polygon
    with its holes. Without holes it is the outer ring itself.
    """
    outer, holes = polygon.rings[0], polygon.rings[1:]
    if not holes:
        return outer
    width = max(int(ring[:, 0].max()) for ring in polygon.rings) + 1
    keys = outer[:, 1] * width + outer[:, 0]
    order = np.argsort(keys)
    ways: list[tuple[int, Integers]] = []
    for hole in holes:
        hole_keys = hole[:, 1] * width + hole[:, 0]
        first = int(hole_keys.argmin())
        # The outer point that comes before it in reading order is near, and quickly found.
        before = max(int(np.searchsorted(keys, hole_keys[first], "right", sorter=order)) - 1, 0)
        at = int(order[before])
        ways.append((at, np.concatenate([np.roll(hole, -first, 0), hole[[first]], outer[[at]]])))
    ways.sort(key=lambda way: way[0])
    parts = np.split(outer, [at + 1 for at, _ in ways])
    joined = [parts[0]]
    for (_, way), rest in zip(ways, parts[1:], strict=True):
        joined += [way, rest]
    return np.concatenate(joined)
