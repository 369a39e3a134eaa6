"""Windows: where they lie, what they show, and the way back to the picture's pixels."""

import numpy as np
import pytest

from maskery.core.card_tensors import Input
from maskery.core.plan import Placement
from maskery.inference.faces.region import whole
from maskery.inference.faces.view import View
from maskery.inference.prompts.prompt_window import (
    LEAST_SIDE,
    NOTHING,
    PromptWindow,
    mask_in_picture,
    resampled,
    whole_window,
    window_around,
)
from maskery.inference.upsample.resample import interpolated_bands

SPEC = Input(tensor="image", layout="NCHW", resize="letterbox", size=(64, 64))


def test_the_whole_picture_lies_in_the_middle_of_a_square() -> None:
    assert whole_window((640, 480), 320) == PromptWindow(0, -80, 640, 320)
    assert whole_window((3, 10), 320) == PromptWindow(-3, 0, 10, 320)


def test_a_window_around_a_box_is_a_square_of_some_size() -> None:
    window = window_around((100, 50, 200, 80), 1.4, 320)
    assert (window.left, window.top, window.side) == (80, -5, 140)
    assert window_around((5, 5, 6, 6), 1.4, 320).side == LEAST_SIDE


def test_places_are_found_in_cells() -> None:
    window = PromptWindow(100, 40, 80, 160)
    assert window.cell_of(100, 40) == (0, 0)
    assert window.cell_of(140, 60) == (20, 10)


def test_what_is_beyond_the_picture_is_grey() -> None:
    view = View(np.full((40, 80, 3), 255, np.uint8), whole((80, 40)))
    tensor = whole_window((80, 40), 64).tensor(view, SPEC)
    assert tensor.shape == (1, 3, 64, 64)
    assert (tensor[0, :, :16] == 127).all()
    assert (tensor[0, :, 16:48] == 255).all()
    assert (tensor[0, :, 48:] == 127).all()


@pytest.mark.parametrize("seed", range(12))
def test_a_mask_is_where_the_interpolated_logits_are_positive(seed: int) -> None:
    random = np.random.default_rng(seed)
    picture_wh = (int(random.integers(20, 300)), int(random.integers(20, 300)))
    left, top = (int(random.integers(-40, side - 10)) for side in picture_wh)
    window = PromptWindow(left, top, int(random.integers(30, 400)), 64)
    logits = random.normal(-0.5, 1, (32, 32)).astype(np.float32)
    logits[:, : random.integers(0, 30)] = -1
    mask = mask_in_picture(logits, window, picture_wh)
    place = window.placement(picture_wh)
    expected = np.zeros(picture_wh[::-1], np.bool_)
    x, y, right, bottom = window.seen(picture_wh)
    for rows, band in interpolated_bands(logits[None], place):
        expected[y:bottom, x:right][rows] = band.read()[0] > 0
    different = mask.placed(picture_wh) ^ expected
    assert different.sum() <= 2, "but for the last bit"


def test_a_window_beside_the_picture_and_an_empty_mask_are_nothing() -> None:
    far = PromptWindow(50, 50, 40, 64)
    assert mask_in_picture(np.full((32, 32), -1, np.float32), far, (100, 100)) is NOTHING
    only_beyond = np.full((32, 32), -1, np.float32)
    only_beyond[:, 28:] = 1
    assert mask_in_picture(only_beyond, PromptWindow(0, 0, 200, 64), (100, 100)).area == 0


def test_a_former_mask_moves_into_another_window() -> None:
    values = np.zeros((20, 20), np.float32)
    values[5:15, 5:15] = 1
    window = PromptWindow(0, 0, 100, 160)
    moved = resampled(values, (20, 20, 60, 60), window)  # 2 pixels a cell -> 2.5
    assert moved.shape == (40, 40)
    assert moved.dtype == np.float32
    assert moved.sum() * 2.5**2 == pytest.approx(20 * 20, rel=0.02)
    assert not moved[:, :11].any()
    same = resampled(values, (0, 0, 100, 100), PromptWindow(0, 0, 100, 80))
    np.testing.assert_allclose(same, values, atol=1e-6)


def test_the_placement_is_that_of_a_letterbox() -> None:
    assert whole_window((640, 480), 320).placement((640, 480)) == Placement((640, 480), (640, 640), (640, 480), (0, 80))
