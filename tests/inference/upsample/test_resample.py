"""The shortcut of ``resample.class_map`` against the full computation, on every kind of placement."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from maskery.core.card_tensors import Input
from maskery.core.plan import Placement
from maskery.inference.preprocess import place
from maskery.inference.upsample import resample


def full_scores(scores: NDArray[np.float32], placement: Placement) -> NDArray[np.float32]:
    """All interpolated scores (C, H, W), pixel by pixel in plain Python: the definition, not the implementation."""
    _, rows, columns = scores.shape
    width, height = placement.original_wh

    def position(i: int, axis: int, n: int) -> tuple[int, int, np.float32]:
        ratio = n / placement.working_wh[axis]
        offset, content = placement.offset_xy[axis], placement.content_wh[axis]
        first = min(max(0, int(np.ceil(offset * ratio - 0.5))), n - 1)
        last = max(first, min(n - 1, int(np.floor((offset + content) * ratio - 0.5))))
        at = (offset + (i + 0.5) * (content / placement.original_wh[axis])) * ratio - 0.5
        at = min(max(at, first), last)
        low = min(int(at), last)
        return low, min(low + 1, last), np.float32(at - low)

    out = np.empty((len(scores), height, width), np.float32)
    for y in range(height):
        y0, y1, wy = position(y, 1, rows)
        for x in range(width):
            x0, x1, wx = position(x, 0, columns)
            above = scores[:, y0, x0] * (1 - wx) + scores[:, y0, x1] * wx
            below = scores[:, y1, x0] * (1 - wx) + scores[:, y1, x1] * wx
            out[:, y, x] = above * (1 - wy) + below * wy
    return out


@st.composite
def cases(draw: st.DrawFn) -> tuple[NDArray[np.float32], Placement]:
    classes, rows, columns = draw(st.sampled_from([2, 3, 6, 20])), draw(st.integers(1, 7)), draw(st.integers(1, 7))
    original = (draw(st.integers(1, 40)), draw(st.integers(1, 40)))
    working = (columns * 4, rows * 4)
    if draw(st.booleans()):
        placement = Placement(original, working, working, (0, 0))
    else:
        content = (draw(st.integers(1, working[0])), draw(st.integers(1, working[1])))
        offset = ((working[0] - content[0]) // 2, (working[1] - content[1]) // 2)
        placement = Placement(original, working, content, offset)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if draw(st.booleans()):
        scores = rng.normal(0, 3, (classes, rows, columns)).astype(np.float32)
    else:  # few distinct values: many ties
        scores = rng.integers(-2, 3, (classes, rows, columns)).astype(np.float32)
    if draw(st.booleans()):  # as a model gives them that has its classes last
        scores = np.ascontiguousarray(scores.transpose(1, 2, 0)).transpose(2, 0, 1)
    return scores, placement


@settings(max_examples=150, deadline=None)
@given(cases())
def test_class_map_equals_the_full_computation(case: tuple[NDArray[np.float32], Placement]) -> None:
    scores, placement = case
    ours, full = resample.class_map(scores, placement), full_scores(scores, placement)
    chosen = np.take_along_axis(full, ours[None].astype(np.intp), 0)[0]
    best = full.max(0)
    assert ours.shape == best.shape
    # Where two classes tie to the last bit either is the maximum; everywhere else the classes are the same.
    assert np.array_equal(chosen, best)
    assert np.array_equal(np.asarray(ours)[_unique(full)], full.argmax(0)[_unique(full)])


def _unique(full: NDArray[np.float32]) -> NDArray[np.bool_]:
    ordered = np.sort(full, axis=0)
    unique: NDArray[np.bool_] = ordered[-1] > ordered[-2]
    return unique


@settings(max_examples=60, deadline=None)
@given(cases())
def test_bands_interpolate_all_scores(case: tuple[NDArray[np.float32], Placement]) -> None:
    scores, placement = case
    full = full_scores(scores, placement)
    for rows, band in resample.interpolated_bands(scores, placement):
        assert np.allclose(band.read(), full[:, rows], atol=1e-5)


def test_smooth_scores_at_many_megapixels_differ_nowhere() -> None:
    rng = np.random.default_rng(1)
    coarse = rng.normal(0, 3, (21, 9, 9)).astype(np.float32)
    grid = Placement((65, 65), (9, 9), (9, 9), (0, 0))
    scores = np.concatenate([band.read() for _, band in resample.interpolated_bands(coarse, grid)], axis=1)
    placement = Placement((1600, 1200), (257, 257), (257, 257), (0, 0))
    ours = resample.class_map(scores, placement)
    for rows, band in resample.interpolated_bands(scores, placement):
        assert np.array_equal(ours[rows], band.read().argmax(0))


def test_memory_of_a_band_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resample, "BAND_PIXELS", 50)
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(3, 5, 5)).astype(np.float32)
    placement = Placement((40, 30), (20, 20), (20, 20), (0, 0))
    bands = resample.interpolated_bands(scores, placement)
    assert len(bands) == 30
    assert np.array_equal(np.concatenate([b.read().argmax(0) for _, b in bands]), resample.class_map(scores, placement))


def test_the_padding_of_a_letterbox_is_never_looked_at() -> None:
    spec = Input(tensor="x", layout="NCHW", resize="letterbox", size=(64, 64))
    placement = place((100, 50), spec)
    assert placement.content_wh == (64, 32)
    assert placement.offset_xy == (0, 16)
    scores = np.zeros((2, 16, 16), np.float32)
    scores[0, 4:12] = 1  # the content says class 0, the padding shouts class 1
    scores[1, :4] = scores[1, 12:] = 100
    assert not resample.class_map(scores, placement).any()


def test_nearest_map_keeps_the_class_maps_own_pixels() -> None:
    labels = np.array([[0, 1], [2, 3]], np.uint8)
    placement = Placement((4, 6), (2, 2), (2, 2), (0, 0))
    expected = np.repeat(np.repeat(labels, 3, 0), 2, 1)
    assert np.array_equal(resample.nearest_map(labels, placement), expected)


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_grid_coarser_than_the_scores_takes_the_nearest_ones(channels_last: bool) -> None:
    scores = np.random.default_rng(3).standard_normal((5, 9, 15)).astype(np.float32)
    if channels_last:
        scores = np.ascontiguousarray(scores.transpose(1, 2, 0)).transpose(2, 0, 1)
    third = Placement((5, 3), (15, 9), (15, 9), (0, 0))
    assert resample.is_coarser(scores, third)
    # Of nine scores under each pixel the middle one lies at its centre.
    np.testing.assert_array_equal(resample.sampled_map(scores, third), scores[:, 1::3, 1::3].argmax(0))
    same = Placement((15, 9), (15, 9), (15, 9), (0, 0))
    np.testing.assert_array_equal(resample.sampled_map(scores, same), resample.class_map(scores, same))
    assert not resample.is_coarser(scores, Placement((16, 9), (15, 9), (15, 9), (0, 0)))
