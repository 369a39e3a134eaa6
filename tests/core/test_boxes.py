import pytest

from maskery.core.boxes import Box, merged, overlap


def test_overlap_is_intersection_over_union() -> None:
    assert overlap((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(50 / 150)
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert overlap((0, 0, 10, 10), (10, 0, 20, 10)) == 0


def test_boxes_of_one_thing_become_their_weighted_mean() -> None:
    found = merged([Box((2, 0, 12, 10), 0.3), Box((0, 0, 10, 10), 0.9), Box((40, 40, 50, 50), 0.6)])
    assert [box.score for box in found] == [0.9, 0.6]
    assert found[0].xyxy == pytest.approx((0.5, 0, 10.5, 10))
    assert found[1].xyxy == (40, 40, 50, 50)


def test_neighbours_that_touch_stay_two() -> None:
    assert len(merged([Box((0, 0, 10, 10), 0.9), Box((7, 0, 17, 10), 0.8)])) == 2


def test_a_box_inside_a_surer_one_is_a_part_of_it() -> None:
    face, eye, behind = Box((0, 0, 100, 100), 0.9), Box((20, 20, 50, 50), 0.8), Box((70, 0, 130, 60), 0.7)
    assert [box.score for box in merged([eye, behind, face])] == [0.9, 0.7]
    assert len(merged([Box((0, 0, 100, 100), 0.5), eye])) == 2, "the smaller one is surer"


def test_moved_scales_first() -> None:
    assert Box((1, 2, 3, 4), 0.5).moved((2, 10), (100, 1)) == Box((102, 21, 106, 41), 0.5)
