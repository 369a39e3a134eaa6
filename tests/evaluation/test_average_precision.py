"""Average precision as the package gives it: cases by hand, and pycocotools beside it."""

from typing import Any

import numpy as np
import pytest

from maskery.core.errors import MissingExtra
from maskery.core.result.instances import Box, crop_mask
from maskery.evaluation.average_precision import JudgedObject, JudgedPicture, Kind, average_precision

SIZE_WH = (96, 72)
KINDS: tuple[Kind, ...] = ("box", "mask")


def thing(box: tuple[int, int, int, int], label: int = 0, score: float = 1.0, crowd: bool = False) -> JudgedObject:
    left, top, right, bottom = box
    mask = np.zeros(SIZE_WH[::-1], np.bool_)
    mask[top:bottom, left:right] = True
    at: Box = (float(left), float(top), float(right), float(bottom))
    return JudgedObject(label=label, box_xyxy=at, mask=crop_mask(mask), score=score, crowd=crowd)


ONE, OTHER = (4, 4, 24, 24), (30, 10, 60, 40)


@pytest.mark.parametrize("kind", KINDS)
def test_all_found(kind: Kind) -> None:
    picture = JudgedPicture(SIZE_WH, [thing(ONE), thing(OTHER, 1)], [thing(ONE, 0, 0.9), thing(OTHER, 1, 0.8)])
    found = average_precision([picture], ["a", "b"], kind)
    assert (found.ap, found.ap50, found.ap75, found.recall) == pytest.approx((1, 1, 1, 1))
    assert found.ap_of == pytest.approx({"a": 1, "b": 1})
    assert found.intervals["ap50"] == pytest.approx((1, 1))


@pytest.mark.parametrize("kind", KINDS)
def test_a_surer_mistake_costs_half(kind: Kind) -> None:
    """The only object comes second: precision 1/2 at every recall."""
    picture = JudgedPicture(SIZE_WH, [thing(ONE)], [thing(OTHER, 0, 0.9), thing(ONE, 0, 0.5)])
    found = average_precision([picture], ["a"], kind)
    assert found.ap50 == pytest.approx(0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_in_a_crowd_is_no_mistake(kind: Kind) -> None:
    truth = [thing(ONE), thing(OTHER, crowd=True)]
    picture = JudgedPicture(SIZE_WH, truth, [thing((32, 12, 50, 30), 0, 0.9), thing(ONE, 0, 0.5)])
    assert average_precision([picture], ["a"], kind).ap50 == pytest.approx(1)


def test_nothing_found_and_a_class_that_is_not_there() -> None:
    found = average_precision([JudgedPicture(SIZE_WH, [thing(ONE)], [])], ["a", "b"], "mask")
    assert (found.ap, found.ap_of) == (0, {"a": 0, "b": None})


def test_intervals_hold_the_number_and_are_the_same_again() -> None:
    hit = JudgedPicture(SIZE_WH, [thing(ONE)], [thing(ONE, 0, 0.9)])
    miss = JudgedPicture(SIZE_WH, [thing(ONE)], [])
    found = average_precision([hit, miss] * 6, ["a"], "box")
    low, high = found.intervals["ap50"]
    assert found.ap50 is not None
    assert 0.1 < low < found.ap50 < high < 0.9
    assert average_precision([hit, miss] * 6, ["a"], "box").intervals == found.intervals


@pytest.mark.parametrize("kind", KINDS)
def test_pycocotools_says_the_same(kind: Kind) -> None:
    rng = np.random.default_rng(3)
    pictures = [JudgedPicture(SIZE_WH, _some(rng, 4, 0.15), _some(rng, 8, 0.0)) for _ in range(6)]
    found = average_precision(pictures, ["a", "b", "c"], kind)
    theirs = reference(pictures, 3, kind)
    ours = (found.ap, found.ap50, found.ap75, found.small, found.medium, found.recall)
    assert ours == pytest.approx(tuple(theirs[i] for i in (0, 1, 2, 3, 4, 8)), abs=1e-6)


def _some(rng: np.random.Generator, count: int, crowds: float) -> list[JudgedObject]:
    found = []
    for _ in range(count):
        left, top = (int(v) for v in rng.integers(0, (52, 28)))
        width, height = (int(v) for v in rng.integers(10, 44, 2))
        box = (left, top, left + width, top + height)
        found.append(thing(box, int(rng.integers(3)), float(rng.random()), bool(rng.random() < crowds)))
    return found


def reference(pictures: list[JudgedPicture], classes: int, kind: Kind) -> list[float]:
    """The twelve numbers of pycocotools."""
    from pycocotools import mask as masks
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def row(one: JudgedObject, picture: int) -> dict[str, Any]:
        assert one.mask is not None
        left, top, right, bottom = one.box_xyxy
        return {
            "image_id": picture,
            "category_id": one.label,
            "bbox": [left, top, right - left, bottom - top],
            "segmentation": masks.encode(np.asfortranarray(one.mask.placed(SIZE_WH).astype(np.uint8))),
            "area": one.mask.area,
            "iscrowd": int(one.crowd),
            "score": one.score,
        }

    truth = COCO()
    annotations = [row(one, i) for i, picture in enumerate(pictures) for one in picture.truth]
    truth.dataset = {
        "images": [{"id": i, "width": SIZE_WH[0], "height": SIZE_WH[1]} for i in range(len(pictures))],
        "annotations": [{**one, "id": i} for i, one in enumerate(annotations, 1)],
        "categories": [{"id": i, "name": str(i)} for i in range(classes)],
    }
    truth.createIndex()
    predicted = truth.loadRes([row(one, i) for i, picture in enumerate(pictures) for one in picture.predicted])
    run = COCOeval(truth, predicted, "segm" if kind == "mask" else "bbox")
    run.evaluate()
    run.accumulate()
    run.summarize()
    return [float(value) for value in run.stats]


def test_without_the_package_there_is_a_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "faster_coco_eval", None)
    with pytest.raises(MissingExtra) as caught:
        average_precision([], ["a"], "box")
    assert "maskery[evaluate]" in caught.value.cure
