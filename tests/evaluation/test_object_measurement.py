"""Objects of pictures counted and judged: what stands in JSON, in cards, and in the order of the worst."""

from pathlib import Path

import numpy as np
import pytest

from maskery.core.result.instances import Instance, crop_mask
from maskery.datasets.object_truths import ObjectTruth, TrueObject
from maskery.evaluation.object_matching import pair_objects
from maskery.evaluation.object_measurement import ObjectScores, ObjectTally

SIZE_WH = (60, 40)
ONE, OTHER, THIRD = (2, 2, 12, 12), (20, 4, 40, 30), (44, 10, 58, 38)
Place = tuple[int, int, int, int]
MATCHING = pair_objects(["cat", "dog"], ["dog", "cat", "horse"])
"""cat: 1 of the model and of the measured ones, dog: 0 of both."""


def mask(*boxes: Place) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    found = np.zeros(SIZE_WH[::-1], np.bool_)
    for left, top, right, bottom in boxes:
        found[top:bottom, left:right] = True
    return found


def true(label: str, box: Place, crowd: bool = False) -> TrueObject:
    return TrueObject(label, crop_mask(mask(box)), crowd)


def truth(*objects: TrueObject, ignored: Place | None = None) -> ObjectTruth:
    return ObjectTruth(SIZE_WH, objects, crop_mask(mask(*([ignored] if ignored else []))))


def found(class_id: int, box: Place, score: float, number: int = 1, masked: bool = True) -> Instance:
    left, top, right, bottom = map(float, box)
    pixels = crop_mask(mask(box)) if masked else None
    return Instance(id=number, class_id=class_id, score=score, box_xyxy=(left, top, right, bottom), mask=pixels)


def scores(*pictures: tuple[ObjectTruth, list[Instance]], masks: bool = True) -> ObjectScores:
    tally = ObjectTally(MATCHING, masks, 0.3)
    for one, instances in pictures:
        tally.add(one, instances)
    return tally.scores()


def test_everything_found() -> None:
    result = scores((truth(true("cat", ONE), true("dog", OTHER)), [found(1, ONE, 0.9), found(0, OTHER, 0.8, 2)]))
    assert result.objects == {"dog": 1, "cat": 1}
    assert result.images == {"dog": 1, "cat": 1}
    assert {kind: one.ap for kind, one in result.precisions.items()} == pytest.approx({"mask": 1, "box": 1})
    assert (result.pq, result.sq, result.rq) == (1, 1, 1)
    assert (result.count.error, result.count.bias) == (0, 0)


def test_a_model_of_boxes_has_no_masks_to_judge() -> None:
    result = scores((truth(true("cat", ONE)), [found(1, ONE, 0.9, masked=False)]), masks=False)
    assert list(result.precisions) == ["box"]
    assert (result.pq, result.pq_of) == (None, {"dog": None, "cat": None})


def test_counts_are_of_sure_predictions_and_classes_without_crowd() -> None:
    """One cat too many, one dog too few, both in the one picture: error 1, bias 0; what is unsure is not counted."""
    one = truth(true("cat", ONE), true("dog", OTHER))
    result = scores((one, [found(1, ONE, 0.9), found(1, OTHER, 0.5, 2), found(0, OTHER, 0.2, 3)]))
    assert (result.count.error, result.count.bias) == (1, 0)
    assert result.precisions["box"].ap50_of["dog"] == pytest.approx(1)
    crowded = truth(true("cat", ONE), true("cat", OTHER, crowd=True))
    assert scores((crowded, [])).count.error == 0


def test_classes_and_places_that_are_not_judged() -> None:
    """A horse is no class of the data set, and what lies in an ignored region is no mistake."""
    one = truth(true("cat", ONE), ignored=OTHER)
    result = scores((one, [found(2, THIRD, 0.9), found(1, OTHER, 0.8, 2), found(1, ONE, 0.7, 3)]))
    assert result.precisions["mask"].ap50_of["cat"] == pytest.approx(1)
    assert result.pq_of["cat"] == 1
    assert result.count.error == 0


def test_the_order_of_pictures() -> None:
    tally = ObjectTally(MATCHING, True, 0.3)
    both = truth(true("cat", ONE), true("dog", OTHER))
    assert tally.add(both, [found(1, ONE, 0.9), found(0, OTHER, 0.8, 2)]) == 1
    assert tally.add(both, [found(1, ONE, 0.9)]) == pytest.approx(2 / 3)
    assert tally.add(both, [found(0, ONE, 0.9)]) == 0
    assert tally.add(truth(), []) == 1
    crowd = truth(true("cat", OTHER, crowd=True), true("cat", ONE))
    assert tally.add(crowd, [found(1, (22, 6, 30, 20), 0.9), found(1, ONE, 0.8, 2)]) == 1


def test_a_card_states_them(tmp_path: Path) -> None:
    from maskery.core.card_facts import ObjectQuality

    result = scores((truth(true("cat", ONE)), [found(1, ONE, 0.9)]), (truth(true("cat", OTHER)), []))
    assert ObjectQuality(objects=2, mask_ap50=result.precisions["mask"].ap50).mask_ap50 == pytest.approx(0.5, abs=0.01)
