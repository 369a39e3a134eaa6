"""Resizing band by band is resizing the whole."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from maskery.core.picture.resize import resized_bands
from tests.material import photo

SIDE = st.integers(1, 400)


def _both(width: int, height: int, size_wh: tuple[int, int], rows: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    picture = photo("astronaut")[:height, :width]
    bands = (picture[top : top + rows] for top in range(0, height, rows))
    banded = np.concatenate(list(resized_bands(bands, (width, height), size_wh)))
    return banded, np.asarray(Image.fromarray(picture).resize(size_wh, Image.Resampling.BILINEAR))


@given(SIDE, SIDE, st.floats(0.01, 3), st.integers(1, 90))
@settings(deadline=None)
def test_the_pixels_are_those_of_the_whole(width: int, height: int, scale: float, rows: int) -> None:
    assume(height <= 2 * width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    assume(size[0] / width <= 1.5 * size[1] / height)  # rounding of few pixels can make it another shape
    banded, whole = _both(width, height, size, rows)
    np.testing.assert_array_equal(banded, whole)


@given(SIDE, SIDE, SIDE, SIDE, st.integers(1, 90))
@settings(deadline=None)
def test_whatever_the_shape_they_differ_by_one_at_most(
    width: int, height: int, new_width: int, new_height: int, rows: int
) -> None:
    banded, whole = _both(width, height, (new_width, new_height), rows)
    assert banded.shape == whole.shape
    assert np.abs(banded.astype(int) - whole).max() <= 1
