"""Boundary F beside a plain computation of its definition by exact distances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from maskery.core.labels import IGNORE
from maskery.evaluation.boundary_f import NOWHERE, BoundaryF, boundary_f, dilated, tolerance_of, without_thin_gaps

MAPS = hnp.arrays(
    np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12), elements=st.integers(0, 3)
)


def outline(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels inside that have one of the 4 next pixels outside."""
    padded = np.pad(inside, 1, mode="edge")
    return inside & ~(padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:])


def plain(truth: NDArray[np.uint8], predicted: NDArray[np.uint8], label: int, tolerance: int) -> float:
    true, said = outline(truth == label), outline(predicted == label)
    if not true.any():
        return float("nan")
    if not said.any():
        return 0.0
    precision = (distance_transform_edt(~true)[said] <= tolerance).mean()
    recall = (distance_transform_edt(~said)[true] <= tolerance).mean()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@settings(deadline=None)
@given(MAPS, st.integers(0, 2**32 - 1), st.integers(1, 15))
def test_it_is_the_definition(truth: NDArray[np.uint8], seed: int, tolerance: int) -> None:
    predicted = np.random.default_rng(seed).integers(0, 4, truth.shape).astype(np.uint8)
    expected = [plain(truth, predicted, label, tolerance) for label in range(3)]
    assert np.allclose(boundary_f(truth, predicted, 3, tolerance), expected, equal_nan=True)


def test_more_classes_than_an_integer_has_bits() -> None:
    truth = np.arange(150, dtype=np.uint8).repeat(16).reshape(150, 4, 4).swapaxes(0, 1).reshape(4, 600)
    predicted = np.roll(truth, 1, axis=1)
    expected = [plain(truth, predicted, label, 1) for label in range(150)]
    assert np.allclose(boundary_f(truth, predicted, 150, 1), expected)


def test_a_map_is_met_by_itself_and_a_far_one_is_not() -> None:
    truth = np.zeros((60, 80), np.uint8)
    truth[10:30, 10:30] = 1
    far = np.zeros_like(truth)
    far[40:55, 50:75] = 1
    assert boundary_f(truth, truth, 3, 1)[:2].tolist() == [1.0, 1.0]
    assert np.isnan(boundary_f(truth, truth, 3, 1)[2])
    assert boundary_f(truth, far, 3, 3)[1] == 0.0
    assert boundary_f(truth, np.roll(truth, 2, axis=1), 3, 2)[1] == 1.0
    assert boundary_f(truth, np.roll(truth, 3, axis=1), 3, 2)[1] < 1.0


def test_a_thin_rim_that_is_not_judged_is_closed_in_its_middle() -> None:
    truth = np.zeros((40, 40), np.uint8)
    truth[:, 18:22] = IGNORE
    truth[:, 22:] = 1
    predicted = np.zeros_like(truth)
    predicted[:, 20:] = 1
    assert boundary_f(truth, predicted, 2, 2).tolist() == [1.0, 1.0]
    assert boundary_f(truth, np.roll(predicted, 8, axis=1), 2, 2)[1] < 1.0


def test_a_wide_gap_is_not_judged_and_has_no_outline() -> None:
    truth = np.zeros((40, 40), np.uint8)
    truth[:, 20:] = IGNORE
    anything = np.random.default_rng(0).integers(0, 2, (40, 40)).astype(np.uint8)
    anything[:, :20] = 0
    assert np.isnan(boundary_f(truth, anything, 2, 3)).all()


def test_gaps_keep_their_form_or_vanish() -> None:
    ids = np.full((30, 30), 2, np.uint16)
    ids[5:25, 5:25] = NOWHERE
    ids[:, 27] = NOWHERE
    closed = without_thin_gaps(ids, 3)
    assert (closed[:, 26:] == 2).all()
    assert (closed[8:22, 5:25] == NOWHERE).all()
    assert (closed[:5] == 2).all()


@pytest.mark.parametrize("radius", [1, 2, 4, 7, 30])
def test_dilation_is_a_disk(radius: int) -> None:
    flags = np.random.default_rng(radius).random((25, 31)) < 0.01
    assert np.array_equal(dilated(flags, radius), distance_transform_edt(~flags) <= radius)


def test_a_class_is_averaged_over_the_pictures_that_have_it() -> None:
    square = np.zeros((20, 20), np.uint8)
    square[5:15, 5:15] = 1
    empty = np.zeros_like(square)
    judge = BoundaryF(3, tolerance=2)
    judge.add(square, square)
    judge.add(square, empty)
    judge.add(empty, square)
    assert judge.by_class() == [0.5, 0.5, None]


def test_the_tolerance_follows_the_picture() -> None:
    assert tolerance_of((480, 360)) == 4
    assert tolerance_of((10, 10)) == 1
    assert tolerance_of((2048, 1024)) == 17
