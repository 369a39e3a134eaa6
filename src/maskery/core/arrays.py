"""Names of the arrays that modules hand to each other: one name for one element type, axes in the order of memory.

An alias says what the numbers are; shape and range stand in the docstring of the function that takes or gives the
array. ``(H, W)`` is rows by columns at the picture's pixels, ``(h, w)`` at the model's working size, ``C`` the classes,
``N`` a batch.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]
"""Of any element type: a tensor as a session takes or gives it."""

Tensor = NDArray[np.float32] | NDArray[np.uint8]
"""A picture as a network takes it: (N, 3, h, w) or (N, h, w, 3)."""

Pixels = NDArray[np.uint8]
"""RGB values 0..255, (H, W, 3), or one channel of them, (H, W)."""

Bytes = NDArray[np.uint8]
"""Bytes without a meaning of their own: rows of a file."""

Mask = NDArray[np.bool_]
"""(H, W): true where something is."""

ClassMap = NDArray[np.uint8] | NDArray[np.uint16]
"""(H, W) class ids; uint16 only where there are more than 255 classes."""

Ids = NDArray[np.unsignedinteger[Any]]
"""Ids of classes, instances or pieces, of any unsigned type."""

Scores = NDArray[np.float32]
"""(C, h, w): logits or probabilities, a plane a class."""

Floats = NDArray[np.float32]
"""Single precision, of any shape."""

Halves = NDArray[np.float16]
"""Half precision, of any shape: what is kept in great number."""

Doubles = NDArray[np.float64]
"""Double precision, of any shape: coordinates and sums."""

Positions = NDArray[np.floating[Any]]
"""(n,) places along one axis, in pixels; a pixel's middle is at a half."""

Indices = NDArray[np.intp]
"""Positions in an array."""

Integers = NDArray[np.int64]
"""Counts and whole coordinates, of any shape."""

AnyIntegers = NDArray[np.integer[Any]]
"""Whole numbers of any width and sign."""
