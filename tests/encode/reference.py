"""Polygons back to pixels, slow and plain; and label maps to try them on."""

from collections.abc import Iterable, Sequence

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

Ring = Sequence[Sequence[float]] | NDArray[np.int64]


def inside(rings: Iterable[Ring], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """(H, W): which pixel centres lie inside, by the even-odd rule."""
    odd = np.zeros(shape, np.bool_)
    centres_x = np.arange(shape[1]) + 0.5
    for ring in rings:
        points = [(float(x), float(y)) for x, y in ring]
        for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
            for row in range(shape[0]):
                if (y0 <= row + 0.5) != (y1 <= row + 0.5):
                    crossing = x0 + (row + 0.5 - y0) / (y1 - y0) * (x1 - x0)
                    odd[row] ^= centres_x > crossing
    return odd


def signed_area(ring: Ring) -> float:
    """Positive where the ring is counter-clockwise with y pointing up."""
    x, y = np.asarray(ring, np.float64).T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


@st.composite
def label_maps(draw: st.DrawFn, side: int = 9, classes: int = 4) -> NDArray[np.uint8]:
    """Noise, or coarse blocks of it: diagonal touches, holes in holes, single pixels, rows and columns."""
    height, width = draw(st.integers(1, side)), draw(st.integers(1, side))
    block = draw(st.sampled_from([1, 1, 1, 2, 3]))
    seed = draw(st.integers(0, 9999))
    coarse = np.random.default_rng(seed).integers(0, draw(st.integers(1, classes)), (height, width)).astype(np.uint8)
    return np.kron(coarse, np.ones((block, block), np.uint8))


def nested(depth: int = 5) -> NDArray[np.uint8]:
    """Squares in squares: holes in holes."""
    ids = np.zeros((2 * depth, 2 * depth), np.uint8)
    for ring in range(depth):
        ids[ring : 2 * depth - ring, ring : 2 * depth - ring] = ring % 2 + 1
    return ids
