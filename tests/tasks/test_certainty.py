import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskery.result import MAPS
from maskery.tasks.certainty import CERTAINTY


def test_every_map_has_its_function() -> None:
    assert tuple(CERTAINTY) == MAPS


@pytest.mark.parametrize(
    ("probabilities", "confidence", "entropy", "margin"),
    [
        ([1, 0, 0, 0], 1, 0, 1),
        ([0.25, 0.25, 0.25, 0.25], 0.25, 1, 0),
        ([0, 0.5, 0, 0.5], 0.5, 0.5, 0),
        ([1], 1, 0, 1),
    ],
)
def test_known_values(probabilities: list[float], confidence: float, entropy: float, margin: float) -> None:
    column = np.array(probabilities, np.float32)[:, None, None]
    found = [float(CERTAINTY[name](column)[0, 0]) for name in MAPS]
    assert found == pytest.approx([confidence, entropy, margin], abs=1e-6)


@settings(deadline=None)
@given(seed=st.integers(0, 999), classes=st.integers(1, 30))
def test_against_the_definitions(seed: int, classes: int) -> None:
    raw = np.random.default_rng(seed).random((classes, 3, 4)) ** 6
    p = (raw / raw.sum(0)).astype(np.float32)
    ordered = np.sort(p, axis=0)
    np.testing.assert_array_equal(CERTAINTY["confidence"](p), ordered[-1])
    second = ordered[-2] if classes > 1 else 0
    np.testing.assert_allclose(CERTAINTY["margin"](p), ordered[-1] - second, atol=1e-6)
    plain = -(p * np.log(np.maximum(p, 1e-30))).sum(0) / max(np.log(classes), 1e-9)
    np.testing.assert_allclose(CERTAINTY["entropy"](p), np.clip(plain, 0, 1), atol=1e-5)
    assert all(CERTAINTY[name](p).dtype == np.float32 for name in MAPS)
