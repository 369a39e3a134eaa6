"""EXIF orientations, 1 to 8: from pixels as they are stored to upright ones, and back."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)

BACK = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
"""Orientation -> the one that undoes it."""


def turned_wh(size_wh: tuple[int, int], orientation: int) -> tuple[int, int]:
    """(width, height) as stored -> upright, or back."""
    return (size_wh[1], size_wh[0]) if orientation >= 5 else size_wh


def turned(array: NDArray[Number], orientation: int) -> NDArray[Number]:
    """(h, w, ...) as stored -> upright by the EXIF ``orientation``; a view."""
    if orientation in (2, 3):
        array = array[:, ::-1]
    if orientation in (3, 4):
        array = array[::-1]
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (6, 7):
        array = array[:, ::-1]
    if orientation in (7, 8):
        array = array[::-1]
    return array
