"""Clicks, a box and a former mask -> the maps that a prompt's network takes. Training and inference draw the same."""

from collections.abc import Sequence

import numpy as np

from maskery.core.arrays import Floats
from maskery.core.boxes import BoxXyxy

RADIUS = 2.5
"""Of a click's disc, in cells of the map."""
POSITIVE, NEGATIVE, BOX, FORMER = range(4)
"""What each map says."""
Point = tuple[float, float]


def prompt_maps(
    positive: Sequence[Point],
    negative: Sequence[Point],
    box: BoxXyxy | None,
    former: Floats | None,
    size_hw: tuple[int, int],
) -> Floats:
    """(4, h, w) float32, 0 to 1, in the order of ``POSITIVE``, ``NEGATIVE``, ``BOX``, ``FORMER``.

    Points x, y and the box are in cells of the map: the centre of row i, column j lies at x = j + 0.5, y = i + 0.5. A
    click is a disc with a soft rim, several are united. A cell of the box has the share of it that the box covers, so
    its edges are exact. ``former``: (h, w) probabilities of the former mask in the same window; what is None is 0.
    """
    maps = np.zeros((4, *size_hw), np.float32)
    rows, columns = (np.arange(length, dtype=np.float32) + 0.5 for length in size_hw)
    for plane, points in ((maps[POSITIVE], positive), (maps[NEGATIVE], negative)):
        for x, y in points:
            distance = np.hypot(columns[None] - np.float32(x), rows[:, None] - np.float32(y))
            np.maximum(plane, np.clip(RADIUS + 0.5 - distance, 0, 1), out=plane)
    if box is not None:
        left, top, right, bottom = box
        maps[BOX] = np.outer(_covered(top, bottom, size_hw[0]), _covered(left, right, size_hw[1]))
    if former is not None:
        maps[FORMER] = former
    return maps


def _covered(start: float, end: float, cells: int) -> Floats:
    """(cells,): the share of each cell that lies between ``start`` and ``end``."""
    cell = np.arange(cells, dtype=np.float32)
    covered: Floats = np.clip(np.minimum(np.float32(end), cell + 1) - np.maximum(np.float32(start), cell), 0, 1)
    return covered
