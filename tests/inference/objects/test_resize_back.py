"""Drawn squares come back where they were drawn, whatever the picture's size and the letterbox's padding."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from maskery.core.arrays import Floats
from maskery.core.boxes import BoxXyxy
from maskery.core.card_tensors import Input
from maskery.core.plan import Placement
from maskery.inference.objects.resize_back import boxes_in_picture, cut_boxes, mask_in_box, mask_of_box
from maskery.inference.preprocess import place, to_tensor

SIZES = st.tuples(st.integers(17, 301), st.integers(17, 301))
SPECS = st.sampled_from(
    [
        Input(tensor="x", layout="NCHW", resize="letterbox", size=(96, 64)),
        Input(tensor="x", layout="NCHW", resize="letterbox", size=(65, 97)),
        Input(tensor="x", layout="NCHW", resize="stretch", size=(80, 80)),
        Input(tensor="x", layout="NCHW", resize="longest-side", side=90, multiple=16),
    ]
)
PARTS = st.tuples(*[st.floats(0, 0.6)] * 2, *[st.floats(0.2, 0.4)] * 2)


def drawn(size_wh: tuple[int, int], part: tuple[float, float, float, float]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in whole pixels of a part of the picture given in shares of its sides."""
    (width, height), (x, y, w, h) = size_wh, part
    left, top = int(x * width), int(y * height)
    return left, top, min(width, left + max(4, int(w * width))), min(height, top + max(4, int(h * height)))


def logits_of(square: tuple[int, int, int, int], size_wh: tuple[int, int], placement: Placement, spec: Input) -> Floats:
    """What a perfect network would say, at every other working pixel or so: above 0 inside of the square."""
    left, top, right, bottom = square
    picture = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    picture[top:bottom, left:right] = 255
    return to_tensor(picture, placement, spec)[0, 0].astype(np.float32) / 255 - np.float32(0.5)


@settings(max_examples=60, deadline=None)
@given(SIZES, SPECS, PARTS)
def test_a_box_comes_back(size_wh: tuple[int, int], spec: Input, part: tuple[float, float, float, float]) -> None:
    placement, square = place(size_wh, spec), np.array(drawn(size_wh, part), np.float64)
    scale = np.tile(np.divide(placement.content_wh, size_wh), 2)
    seen = (square * scale + np.tile(placement.offset_xy, 2)).astype(np.float32)
    np.testing.assert_allclose(boxes_in_picture(seen[None], placement)[0], square, atol=1e-3 * max(size_wh))


@settings(max_examples=60, deadline=None)
@given(SIZES, SPECS, PARTS)
def test_a_mask_comes_back(size_wh: tuple[int, int], spec: Input, part: tuple[float, float, float, float]) -> None:
    """Each edge within one working pixel, and never beyond the box."""
    placement, (left, top, right, bottom) = place(size_wh, spec), drawn(size_wh, part)
    logits = logits_of((left, top, right, bottom), size_wh, placement, spec)
    reach = [max(1.0, pixels / content) for pixels, content in zip(size_wh, placement.content_wh, strict=True)]
    box = (max(0.0, left - 9.0), max(0.0, top - 9.0), min(size_wh[0], right + 9.0), min(size_wh[1], bottom + 9.0))
    mask = mask_in_box(logits, placement, box)
    if (right - left) < 3 * reach[0] or (bottom - top) < 3 * reach[1]:
        return  # it vanishes in the working picture
    (x, y), (width, height) = mask.left_top, mask.size_wh
    for found, expected, most in zip((x, y, x + width, y + height), (left, top, right, bottom), reach * 2, strict=True):
        assert abs(found - expected) <= most
    assert mask.area >= 0.95 * (width * height)
    narrow = mask_in_box(logits, placement, (left + 1.0, top + 1.0, right - 1.0, bottom - 1.0))
    assert narrow.left_top[0] >= left + 1
    assert narrow.left_top[0] + narrow.size_wh[0] <= right - 1
    assert narrow.area <= mask.area


@given(st.floats(-30, 60), st.floats(-30, 60), st.floats(1, 90), st.floats(1, 90))
def test_a_mask_that_covers_its_box_is_cut_at_the_picture(left: float, top: float, width: float, height: float) -> None:
    box: BoxXyxy = (left, top, left + width, top + height)
    mask = mask_of_box(np.ones((7, 5), np.float32), box, (50, 40))
    middles = (
        sum(low <= pixel + 0.5 < high for pixel in range(size))
        for low, high, size in ((left, left + width, 50), (top, top + height, 40))
    )
    assert mask.area == next(middles) * next(middles)


def test_the_half_of_a_box_is_the_half_of_its_pixels() -> None:
    logits = np.repeat(np.array([[-1.0, 1.0]], np.float32), 2, axis=0)
    mask = mask_of_box(logits, (10.0, 4.0, 30.0, 8.0), (50, 40))
    assert (mask.left_top, mask.size_wh, mask.area) == ((20, 4), (10, 4), 40)


def test_boxes_are_cut_at_the_picture() -> None:
    boxes = np.array([[-5.0, 2, 70, 30], [60, 60, 80, 90]])
    np.testing.assert_array_equal(cut_boxes(boxes, (50, 40)), [[0, 2, 50, 30], [50, 40, 50, 40]])


def test_nothing_above_zero_is_an_empty_mask() -> None:
    placement = Placement((20, 20), (20, 20), (20, 20), (0, 0))
    assert mask_in_box(np.zeros((20, 20), np.float32), placement, (0.0, 0.0, 20.0, 20.0)).area == 0
    assert mask_in_box(np.ones((20, 20), np.float32), placement, (3.2, 3.2, 3.4, 9.0)).area == 0
    assert mask_of_box(np.ones((2, 2), np.float32), (60.0, 0.0, 80.0, 9.0), (50, 40)).area == 0
