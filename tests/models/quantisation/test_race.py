import time
from collections.abc import Mapping

import numpy as np
import pytest

from maskery.core.arrays import Array
from maskery.models.quantisation.quality import compare_speed

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
