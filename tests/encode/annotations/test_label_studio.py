"""Brush masks: the original converter's own bytes, and back again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from maskery.encode.annotations import label_studio
from maskery.encode.annotations.label_studio import brush_rle
from tests.encode.brush import decode_brush

# Written by label-studio-sdk 2.1.2's encode_rle for these masks.
VECTORS = {
    "4x5": ([[0] * 5, [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0] * 5],
            [0, 0, 0, 80, 57, 27, 254, 23, 0, 183, 255, 56, 5, 191, 252, 46, 0]),
    "1x1": ([[1]], [0, 0, 0, 4, 57, 27, 252, 127, 224]),
    "1x3": ([[1, 0, 1]], [0, 0, 0, 12, 57, 27, 252, 127, 241, 128, 71, 254]),
    "128x128, a whole number of bytes": (np.zeros((128, 128)), [0, 1, 0, 0, 57, 27, 255, 255, 255, 0, 0]),
    "200x200, runs cut at 65536": (
        np.zeros((200, 200)), [0, 2, 113, 0, 57, 27, 255, 255, 255, 0, 255, 255, 224, 29, 195, 252, 0]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VECTORS)
def test_the_original_s_bytes(name: str) -> None:
    mask, expected = VECTORS[name]
    assert list(brush_rle(np.array(mask, bool))) == expected


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1 << 30),
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    share=st.sampled_from([0.0, 0.001, 0.05, 0.5, 0.999, 1.0]),
    band=st.sampled_from([1, 7, 64, 1 << 18]),
)
def test_there_and_back_whatever_the_bands(seed: int, height: int, width: int, share: float, band: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < share
    whole = brush_rle(mask)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(label_studio, "BAND_PIXELS", band)
        assert brush_rle(mask) == whole
    assert np.array_equal(decode_brush(whole).reshape(mask.shape), mask)


@pytest.mark.parametrize("mask", [np.zeros((2000, 2000), bool), np.ones((1, 1 << 19), bool), np.eye(1500, dtype=bool)])
def test_long_runs(mask: NDArray[np.bool_]) -> None:
    assert np.array_equal(decode_brush(brush_rle(mask)).reshape(mask.shape), mask)
