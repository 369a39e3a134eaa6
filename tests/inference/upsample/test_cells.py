"""The parts of the shortcut; ``test_resample`` compares the whole with the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from maskery.core.plan import Placement
from maskery.inference.upsample import cells, resample


def scores_of(classes: int, rows: int, columns: int, seed: int, ties: bool = False) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    shape = (classes, rows, columns)
    return (rng.integers(-1, 2, shape) if ties else rng.normal(0, 3, shape)).astype(np.float32)


def classes_last(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same scores as a view of (h, w, C)."""
    return np.ascontiguousarray(scores.transpose(1, 2, 0)).transpose(2, 0, 1)


@given(classes=st.sampled_from([1, 2, 21, 300]), seed=st.integers(0, 99), ties=st.booleans())
def test_best_class_is_the_first_of_the_largest(classes: int, seed: int, ties: bool) -> None:
    scores = scores_of(classes, 5, 4, seed, ties)
    for layout in (scores, classes_last(scores), scores[:, 1:, ::2]):
        best = cells.best_class(layout)
        assert best.dtype == (np.uint8 if classes <= 255 else np.uint16)
        assert np.array_equal(best, layout.argmax(0))


def test_mixed_cells_are_those_with_corners_of_several_classes() -> None:
    best = np.random.default_rng(4).integers(0, 2, (6, 7), np.uint8)
    found = cells.mixed(best)
    for row in range(6):
        for column in range(7):
            assert found[row, column] == (np.ptp(best[row : row + 2, column : column + 2]) > 0)


@pytest.mark.parametrize("chunk", [1, 7, 100, 1 << 15])
@pytest.mark.parametrize(("classes", "size_wh"), [(2, (61, 43)), (40, (50, 9)), (300, (3, 31)), (5, (4, 3))])
def test_whatever_the_chunks(
    classes: int, size_wh: tuple[int, int], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "CHUNK", chunk)
    scores = scores_of(classes, 6, 5, classes)
    placement = Placement(size_wh, (10, 12), (10, 12), (0, 0))
    full = np.concatenate([band.read() for _, band in resample.interpolated_bands(scores, placement)], axis=1)
    for layout in (scores, classes_last(scores)):
        assert np.array_equal(resample.class_map(layout, placement), full.argmax(0))


@settings(deadline=None)
@given(seed=st.integers(0, 999), smooth=st.booleans())
def test_classes_that_do_not_contend_never_win(seed: int, smooth: bool) -> None:
    scores = scores_of(6, 2, 2, seed) * (0.1 if smooth else 1)
    grid = cells.ScoreMemory.of(scores)
    one = np.zeros(1, np.intp)
    contends = cells._contends(grid, cells.Cells.of(grid, one, one))[0]
    placement = Placement((30, 30), (2, 2), (2, 2), (0, 0))
    ((_, band),) = resample.interpolated_bands(scores, placement)
    assert set(np.unique(band.read().argmax(0))) <= set(np.flatnonzero(contends))


def test_not_a_number_is_no_crash() -> None:
    scores = scores_of(4, 5, 5, 1)
    scores[:, 2, 2] = np.nan
    scores[1, 0, 0] = np.inf
    ids = resample.class_map(scores, Placement((23, 31), (5, 5), (5, 5), (0, 0)))
    assert ids.max() < 4
