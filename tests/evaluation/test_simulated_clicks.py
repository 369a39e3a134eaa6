import numpy as np
import pytest

from maskery.core.arrays import Mask
from maskery.evaluation.simulated_clicks import deepest, depths, iou, next_click

ALL = np.ones((20, 30), np.bool_)


def rectangle(top: int, left: int, bottom: int, right: int) -> Mask:
    mask = np.zeros((20, 30), np.bool_)
    mask[top:bottom, left:right] = True
    return mask


def test_depth_is_near_the_euclidean_distance_to_the_rim() -> None:
    rows, columns = np.indices((61, 61)) - 30
    distance = np.hypot(rows, columns)
    depth = depths(distance <= 25)
    assert depth[30, 30] == pytest.approx(26, rel=0.12)
    assert not depth[distance > 25].any()
    inside = distance <= 25
    np.testing.assert_allclose(depth[inside], 26 - distance[inside], atol=4)


def test_the_border_of_the_picture_is_a_rim_and_planes_are_apart() -> None:
    whole, corner = ALL, rectangle(0, 0, 5, 5)
    both = depths(np.stack([whole, corner]))
    np.testing.assert_array_equal(both[0], depths(whole))
    np.testing.assert_array_equal(both[1], depths(corner))
    assert both[0].max() == 10
    assert both[1, 2, 2] == both[1].max() == 3


def test_the_deepest_pixel_is_in_the_middle() -> None:
    assert deepest(rectangle(4, 6, 9, 11)) == ((8, 6), 3)
    assert deepest(rectangle(4, 6, 9, 25))[0] == (15, 6)
    assert deepest(np.zeros((4, 4), np.bool_)) == ((0, 0), 0)


def test_clicks_go_to_the_largest_error_and_say_what_it_is() -> None:
    truth = rectangle(2, 2, 18, 14)
    first = next_click(truth, np.zeros_like(truth), ALL)
    assert first is not None
    assert first.positive
    assert truth[first.xy[1], first.xy[0]]
    surplus = truth | rectangle(2, 16, 16, 28)
    wrong = next_click(truth, surplus, ALL)
    assert wrong is not None
    assert not wrong.positive
    assert surplus[wrong.xy[1], wrong.xy[0]]
    assert not truth[wrong.xy[1], wrong.xy[0]]
    assert next_click(truth, truth, ALL) is None


def test_pixels_that_are_not_judged_or_were_clicked_are_left_alone() -> None:
    truth, nothing = rectangle(2, 2, 18, 14), np.zeros_like(ALL)
    assert next_click(truth, nothing, ~truth) is None
    clicked = nothing.copy()
    before = next_click(truth, nothing, ALL)
    assert before is not None
    clicked[before.xy[1], before.xy[0]] = True
    after = next_click(truth, nothing, ALL, clicked)
    assert after is not None
    assert after.xy != before.xy
    assert before.centre_xy == (before.xy[0] + 0.5, before.xy[1] + 0.5)


def test_iou_counts_judged_pixels_only() -> None:
    truth, predicted = rectangle(0, 0, 10, 10), rectangle(0, 0, 10, 20)
    assert iou(truth, predicted, ALL) == 0.5
    assert iou(truth, predicted, ~rectangle(0, 10, 10, 15)) == pytest.approx(100 / 150)
    assert iou(truth & ~ALL, predicted & ~ALL, ALL) == 1
