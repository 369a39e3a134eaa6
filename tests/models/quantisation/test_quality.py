import time
from collections.abc import Mapping

import numpy as np
import pytest

from maskery.core.arrays import Array
from maskery.core.card_facts import Quality
from maskery.models.quantisation.quality import Score, ScoreLoss, compare_speed

QUALITY = Quality(data="d")


def verdict(value: float, **by_class: float | None) -> Score:
    return Score(measure="mIoU", value=value, by_class=by_class, images=dict.fromkeys(by_class, 7), quality=QUALITY)


@pytest.mark.parametrize(
    ("before", "after", "points", "within"),
    [
        (0.5, 0.5, 0.0, True),
        (0.5, 0.49, 0.01, True),  # exactly at the limit, which is not a number of two's powers
        (0.5, 0.48999, 0.01001, False),
        (0.5, 0.6, -0.1, True),
    ],
)
def test_the_gate(before: float, after: float, points: float, within: bool) -> None:
    loss = ScoreLoss(verdict(before), verdict(after))
    assert loss.points == points
    assert loss.within(0.01) is within


def test_without_a_limit_any_loss_is_one() -> None:
    assert ScoreLoss(verdict(0.5), verdict(0.5)).within(0)
    assert not ScoreLoss(verdict(0.5), verdict(0.4999)).within(0)


def test_the_classes_that_lose_most_are_named_and_those_that_gain_are_not() -> None:
    before = verdict(0.5, cat=0.9, dog=0.8, cow=0.1, bird=None, ox=0.3)
    after = verdict(0.4, cat=0.85, dog=0.4, cow=0.2, bird=0.0, ox=None)
    assert ScoreLoss(before, after).worst() == [
        "dog 0.800 -> 0.400 (7 pictures)",
        "ox 0.300 -> 0.000 (7 pictures)",
        "cat 0.900 -> 0.850 (7 pictures)",
    ]


INPUTS = [{"x": np.zeros(i + 1, np.float32)} for i in range(3)]


class Runner:
    """A session that takes its time."""

    device, runtime, batches = "cpu", "none", False

    def __init__(self, name: str, seconds: float, seen: list[tuple[str, int]]) -> None:
        self._name, self._seconds, self._seen = name, seconds, seen

    def run(self, inputs: Mapping[str, Array], keep: bool = True) -> dict[str, Array]:
        self._seen.append((self._name, inputs["x"].size))
        time.sleep(self._seconds)
        return dict(inputs)


def test_each_tensor_is_run_by_both_next_to_each_other_and_the_order_alternates() -> None:
    seen: list[tuple[str, int]] = []
    result = compare_speed(Runner("before", 0.02, seen), Runner("after", 0.005, seen), INPUTS, rounds=2)
    assert len(seen) == 3 * len(INPUTS) * 2
    pairs = list(zip(seen[::2], seen[1::2], strict=True))
    assert all(a[1] == b[1] and {a[0], b[0]} == {"before", "after"} for a, b in pairs)
    assert {a[0] for a, _ in pairs} == {"before", "after"}
    assert result.ratio > 1
    assert result.before_ms >= 20
    assert result.after_ms >= 5
    assert result.before_ms / result.after_ms == pytest.approx(result.ratio, rel=0.9)
