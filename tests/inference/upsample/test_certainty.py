import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from maskery.core.plan import Placement
from maskery.core.result.meta import MAPS
from maskery.inference.upsample import resample
from maskery.inference.upsample.certainty import CERTAINTY, certainty_maps, evidence


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
    column = np.maximum(np.array(probabilities, np.float32), 1e-30)[:, None, None]
    found = [float(CERTAINTY[name](evidence(np.log(column)))[0, 0]) for name in MAPS]
    assert found == pytest.approx([confidence, entropy, margin], abs=1e-6)


def reference(scores: NDArray[np.float32], placement: Placement, logits: bool) -> dict[str, NDArray[np.float64]]:
    """Each map by its definition, in double precision, from scores interpolated elsewhere."""
    bands = [band.read() for _, band in resample.interpolated_bands(scores, placement)]
    values = np.concatenate(bands, axis=1).astype(np.float64)
    p = np.exp(values - values.max(0)) if logits else values
    p = p / p.sum(0)
    ordered = np.sort(p, axis=0)
    second = ordered[-2] if len(p) > 1 else 0.0
    entropy = -(p * np.log(np.maximum(p, 1e-30))).sum(0) / max(np.log(len(p)), 1e-9)
    return {"confidence": ordered[-1], "entropy": entropy, "margin": ordered[-1] - second}


@settings(deadline=None)
@given(
    seed=st.integers(0, 999),
    classes=st.integers(1, 30),
    original=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    small=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    spread=st.sampled_from([1.0, 30.0, 300.0]),
    logits=st.booleans(),
)
def test_against_the_definitions(
    seed: int, classes: int, original: tuple[int, int], small: tuple[int, int], spread: float, logits: bool
) -> None:
    random = np.random.default_rng(seed)
    scores = (random.random((classes, *small)) * spread).astype(np.float32)
    if not logits:
        scores = (scores**4 / (scores**4).sum(0)).astype(np.float32)
    placement = Placement(original, small[::-1], small[::-1], (0, 0))
    before = scores.copy()
    found = certainty_maps(scores, placement, MAPS, logits)
    for name, expected in reference(scores, placement, logits).items():
        assert found[name].dtype == np.float32
        assert found[name].shape == (original[1], original[0])
        np.testing.assert_allclose(found[name], expected, atol=2e-4)
        assert 0 <= found[name].min() <= found[name].max() <= 1
    np.testing.assert_array_equal(scores, before)


def test_blocks_of_several_rows_and_of_one_have_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.random.default_rng(1).random((5, 4, 6), np.float32) * 9
    placement = Placement((50, 60), (6, 4), (6, 4), (0, 0))
    whole = certainty_maps(scores, placement, ("margin",), True)["margin"]
    monkeypatch.setattr("maskery.inference.upsample.certainty.BLOCK_SCORES", 1)
    np.testing.assert_array_equal(certainty_maps(scores, placement, ("margin",), True)["margin"], whole)


def test_nothing_asked_nothing_done() -> None:
    assert certainty_maps(np.zeros((2, 3, 3), np.float32), Placement((9, 9), (3, 3), (3, 3), (0, 0)), (), True) == {}
