import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from maskery.encode.vector.simplify import kept_points


def keys(points: NDArray[np.int64]) -> NDArray[np.int64]:
    return points[:, 1] * 1000 + points[:, 0]


def distance(point: NDArray[np.int64], a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    chord = (b - a).astype(float)
    along = 0.0 if not chord.any() else float(np.clip((point - a) @ chord / (chord @ chord), 0, 1))
    return float(np.linalg.norm(point - (a + along * chord)))


def reference(points: NDArray[np.int64], first: int, last: int, tolerance: float) -> set[int]:
    """The textbook's recursion."""
    far = [(distance(points[i], points[first], points[last]), -keys(points)[i], i) for i in range(first + 1, last)]
    if not far or max(far)[0] <= tolerance:
        return {first, last}
    middle = max(far)[2]
    return reference(points, first, middle, tolerance) | reference(points, middle, last, tolerance)


@st.composite
def lines(draw: st.DrawFn) -> NDArray[np.int64]:
    """Lines on the grid that visit no place twice, closed ones too."""
    places = draw(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=2, max_size=25, unique=True))
    return np.array([*places, places[0]] if draw(st.booleans()) else places)


@settings(deadline=None)
@given(several=st.lists(lines(), min_size=1, max_size=4), tolerance=st.sampled_from([0.5, 1.0, 1.5, 4.0]))
def test_against_the_textbook(several: list[NDArray[np.int64]], tolerance: float) -> None:
    points = np.concatenate(several)
    fixed = np.zeros(len(points), np.bool_)
    ends = np.cumsum([len(line) for line in several])
    fixed[ends - 1] = True
    fixed[np.append(0, ends[:-1])] = True
    found = np.flatnonzero(kept_points(points, fixed, keys(points), tolerance))
    kept: list[list[int]] = []
    for limit in (
        tolerance - 1e-9,
        tolerance,
        tolerance + 1e-9,
    ):  # a tie may round either way
        expected: set[int] = set()
        for start, end in zip(np.append(0, ends[:-1]), ends, strict=True):
            expected |= reference(points, int(start), int(end) - 1, limit)
        kept.append(sorted(expected))
    for i, point in enumerate(points):
        before, after = max(k for k in found if k <= i), min(k for k in found if k >= i)
        assert distance(point, points[before], points[after]) <= tolerance + 1e-9
    assert found.tolist() in kept


@settings(deadline=None)
@given(line=lines(), tolerance=st.sampled_from([0.5, 1.0, 2.0]))
def test_the_same_in_both_directions(line: NDArray[np.int64], tolerance: float) -> None:
    fixed = np.zeros(len(line), np.bool_)
    fixed[[0, -1]] = True
    forth = kept_points(line, fixed, keys(line), tolerance)
    back = kept_points(line[::-1], fixed, keys(line[::-1]), tolerance)
    np.testing.assert_array_equal(forth, back[::-1])


@pytest.mark.parametrize("tolerance", [0.5, 1000.0])
def test_fixed_points_stay(tolerance: float) -> None:
    line = np.array([[0, 0], [1, 0], [2, 0], [3, 0]])
    fixed = np.array([True, False, True, True])
    assert kept_points(line, fixed, keys(line), tolerance).tolist() == [True, False, True, True]
