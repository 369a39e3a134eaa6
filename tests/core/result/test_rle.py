import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.measure import label

from maskery.core.result.rle import piece_counts, pieces, runs, without_small

shapes = st.tuples(st.integers(1, 20), st.integers(1, 20))


def random_map(shape: tuple[int, int], seed: int, classes: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, classes, shape).astype(np.uint8)


def reference(ids: NDArray[np.uint8]) -> NDArray[np.int64]:
    """4-connected pieces by scikit-image, numbered from 1; it knows no background here."""
    return np.asarray(label(ids.astype(int) + 1, connectivity=1, background=0))


@settings(deadline=None)
@given(shape=shapes, seed=st.integers(0, 999), classes=st.integers(1, 4))
def test_runs_are_the_map(shape: tuple[int, int], seed: int, classes: int) -> None:
    ids = random_map(shape, seed, classes)
    found = runs(ids)
    np.testing.assert_array_equal(np.repeat(found.ids, found.lengths).reshape(shape), ids)
    rows = found.starts // shape[1]
    np.testing.assert_array_equal(rows, (found.starts + found.lengths - 1) // shape[1])
    beside = (rows[1:] == rows[:-1]) & (found.ids[1:] == found.ids[:-1])
    assert not beside.any()


@settings(deadline=None, max_examples=300)
@given(shape=shapes, seed=st.integers(0, 999), classes=st.integers(1, 4))
def test_pieces_are_those_of_another_algorithm(shape: tuple[int, int], seed: int, classes: int) -> None:
    ids = random_map(shape, seed, classes)
    found, expected = runs(ids), reference(ids)
    numbers = np.repeat(pieces(found), found.lengths)
    pairs = np.unique(np.stack([numbers, expected.reshape(-1)]), axis=1)
    assert len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]
    counts = [len(np.unique(expected[ids == c])) for c in range(classes)]
    assert piece_counts(found, classes).tolist() == counts


@pytest.mark.parametrize("turn", [False, True])
def test_a_long_snake_is_one_piece(turn: bool) -> None:
    ids = np.zeros((201, 200), np.uint8)
    ids[::2] = 1
    ids[1::4, -1] = 1
    ids[3::4, 0] = 1
    snake = np.ascontiguousarray(ids.T if turn else ids)
    assert piece_counts(runs(snake), 2)[1] == 1


@settings(deadline=None)
@given(shape=shapes, seed=st.integers(0, 99), area=st.integers(0, 6))
def test_small_pieces_are_left_out(shape: tuple[int, int], seed: int, area: int) -> None:
    ids = random_map(shape, seed, 3)
    numbers = reference(ids)
    sizes = np.bincount(numbers.reshape(-1))
    small = (sizes[numbers] < area) & (ids != 0)
    found, count, pixels = without_small(ids, area, 0)
    np.testing.assert_array_equal(found, np.where(small, 0, ids))
    assert (count, pixels) == (len(np.unique(numbers[small])), small.sum())
