"""Resizing band by band is resizing the whole."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from maskery.core.picture.resize import across_first, resized_bands, resized_whole
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


@given(SIDE, SIDE, SIDE, SIDE, st.integers(1, 90))
@settings(deadline=None)
def test_in_one_piece_the_pixels_are_those_of_the_whole_where_pillow_goes_across_first(
    width: int, height: int, new_width: int, new_height: int, rows: int
) -> None:
    assume(across_first((width, height), (new_width, new_height)))
    picture = photo("astronaut")[:height, :width]
    bands = (picture[top : top + rows] for top in range(0, height, rows))
    whole = Image.fromarray(picture).resize((new_width, new_height), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(resized_whole(bands, (width, height), (new_width, new_height)), np.asarray(whole))


def test_what_a_decoder_raises_between_bands_comes_through() -> None:
    def broken() -> Iterator[NDArray[np.uint8]]:
        yield photo("astronaut")[:16]
        raise ValueError("cut off")

    with pytest.raises(ValueError, match="cut off"):
        resized_whole(broken(), (512, 512), (64, 64))
