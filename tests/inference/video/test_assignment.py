"""The best pairs: scipy's, on random matrices with many and with few entries."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from maskery.inference.video.assignment import best_pairs


@pytest.mark.parametrize("filled", [1.0, 0.4, 0.1])
def test_the_sum_is_the_largest(filled: float) -> None:
    random = np.random.default_rng(7)
    for _ in range(60):
        shape = tuple(random.integers(1, 12, 2))
        worth = random.random(shape) * (random.random(shape) < filled)
        rows, columns = linear_sum_assignment(worth, maximize=True)
        expected = [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if worth[r, c] > 0]
        assert best_pairs(worth) == sorted(expected)


def test_of_nothing_there_are_no_pairs() -> None:
    for shape in ((0, 0), (0, 3), (3, 0), (3, 3)):
        assert best_pairs(np.zeros(shape)) == []


def test_a_greedy_choice_would_be_worse() -> None:
    assert best_pairs(np.array([[0.9, 0.8], [0.8, 0.1]])) == [(0, 1), (1, 0)]
