"""Windows over bands give the rows of the whole, whatever the heights."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskery.core.picture.rows import RowBuffer, rebanded, steps

HEIGHTS = st.lists(st.integers(1, 9), min_size=1, max_size=8)


@given(HEIGHTS, st.lists(st.tuples(st.integers(0, 12), st.integers(1, 12)), min_size=1))
def test_a_window_moves_down_over_the_rows(heights: list[int], moves: list[tuple[int, int]]) -> None:
    whole = np.arange(3 * sum(heights)).reshape(-1, 3)
    window = RowBuffer(np.split(whole, np.cumsum(heights)[:-1]))
    start = 0
    for down, count in moves:
        start = min(start + down, len(whole) - 1)
        np.testing.assert_array_equal(window.rows(start, start + count), whole[start : start + count])


def test_rows_that_were_let_go_are_an_error() -> None:
    window = RowBuffer([np.zeros((4, 2)), np.zeros((4, 2))])
    window.rows(5, 6)
    with pytest.raises(ValueError, match="those before 5 are gone"):
        window.rows(4, 6)
    with pytest.raises(ValueError, match="only 8"):
        window.rows(8, 9)


def test_bands_are_read_no_further_than_needed() -> None:
    window = RowBuffer(np.zeros((2, 1)) for _ in range(10))
    window.rows(0, 3)
    assert window.rows_taken == 4


@given(HEIGHTS, st.integers(1, 7))
def test_rebanded_rows_are_the_same(heights: list[int], height: int) -> None:
    whole = np.arange(sum(heights))[:, None]
    wanted = [stop - start for start, stop in steps(len(whole), height)]
    bands = list(rebanded(np.split(whole, np.cumsum(heights)[:-1]), wanted))
    assert [len(band) for band in bands] == wanted
    np.testing.assert_array_equal(np.concatenate(bands), whole)
