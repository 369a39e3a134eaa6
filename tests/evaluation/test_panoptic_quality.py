"""Panoptic quality against cases that are worked out by hand."""

import numpy as np
import pytest

from maskery.core.arrays import Mask
from maskery.core.result.instances import crop_mask
from maskery.evaluation.panoptic_quality import PanopticTally, Segment

SIZE_HW = (10, 20)
NOTHING = np.zeros(SIZE_HW, np.bool_)


def block(left: int, width: int, label: int = 0, crowd: bool = False) -> Segment:
    """All rows of some columns: ten pixels a column."""
    mask = np.zeros(SIZE_HW, np.bool_)
    mask[:, left : left + width] = True
    return Segment(label, crop_mask(mask), crowd)


def tally(truth: list[Segment], predicted: list[Segment], ignored: Mask = NOTHING, classes: int = 2) -> PanopticTally:
    found = PanopticTally(classes)
    found.add(truth, predicted, ignored)
    return found


def test_a_match_a_miss_and_one_that_is_imagined() -> None:
    """IoU 8 / 10 of one pair; a missed and an imagined object halve the rest: 0.8 / (1 + 1/2 + 1/2) = 0.4."""
    found = tally([block(0, 10), block(12, 4)], [block(2, 8), block(18, 2)]).quality(0)
    assert found is not None
    assert (found.pq, found.sq, found.rq) == pytest.approx((0.4, 0.8, 0.5))


def test_half_an_overlap_is_no_match() -> None:
    """IoU of exactly .5: the definition asks for more."""
    found = tally([block(0, 10)], [block(0, 5)]).quality(0)
    assert found is not None
    assert (found.pq, found.rq) == (0, 0)


def test_another_class_is_no_match() -> None:
    found = tally([block(0, 10, 0)], [block(0, 10, 1)])
    assert [found.missed.tolist(), found.imagined.tolist(), found.hit.tolist()] == [[1, 0], [0, 1], [0, 0]]


def test_pixels_of_two_predictions_are_the_surer_ones() -> None:
    """The second keeps four of its ten columns, all of the object: IoU 4 / 4."""
    found = tally([block(0, 6), block(6, 4)], [block(0, 6), block(0, 10)]).quality(0)
    assert found is not None
    assert found.pq == pytest.approx(1)


def test_what_is_not_judged_counts_for_nothing() -> None:
    """Five columns of the prediction are not judged, so its union with the object has none of them."""
    ignored = NOTHING.copy()
    ignored[:, 10:15] = True
    found = tally([block(0, 10)], [block(0, 15), block(11, 4)], ignored).quality(0)
    assert found is not None
    assert (found.pq, found.rq) == (1, 1)


def test_a_prediction_in_a_crowd_of_its_class_is_no_mistake() -> None:
    truth = [block(0, 10, 0, crowd=True), block(12, 4, 0)]
    assert tally(truth, [block(2, 3, 0), block(12, 4, 0)]).imagined.tolist() == [0, 0]
    assert tally(truth, [block(2, 3, 1), block(12, 4, 0)]).imagined.tolist() == [0, 1]


def test_a_class_that_is_nowhere_has_no_quality() -> None:
    assert tally([block(0, 4)], [block(0, 4)]).quality(1) is None


def test_pictures_add_up() -> None:
    found = tally([block(0, 10)], [block(0, 10)])
    found.add([block(0, 10)], [], NOTHING)
    whole = found.quality(0)
    assert whole is not None
    assert whole.pq == pytest.approx(1 / 1.5)
