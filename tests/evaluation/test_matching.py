import numpy as np
import pytest

from maskery.core.errors import DataError
from maskery.core.labels import CITYSCAPES, IGNORE, VOC
from maskery.datasets.label_map import REST
from maskery.evaluation.matching import pair, same_classes

CAMVID = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist")


def test_the_same_names_are_the_same_ids() -> None:
    plain = pair(VOC, VOC)
    assert plain.labels == VOC
    assert plain.notes == ()
    mask = np.array([[0, 20, IGNORE]], np.uint8)
    for same in (plain, same_classes(VOC)):
        truth, predicted = same.apply(mask, np.array([[3, 4, 20]]))
        assert truth.tolist() == [[0, 20, IGNORE]]
        assert predicted.tolist() == [[3, 4, 20]]


def test_a_model_of_cityscapes_on_camvid() -> None:
    found = pair(CAMVID, CITYSCAPES)
    judged = {name: found.labels[found.truth[i]] for i, name in enumerate(CAMVID)}
    assert judged["pavement"] == "sidewalk"
    assert judged["pedestrian"] == "person"
    assert judged["road"] == "road"
    said = {name: int(found.predicted[i]) for i, name in enumerate(CITYSCAPES)}
    assert said["wall"] == len(found.labels)  # wrong wherever predicted
    assert said["bicycle"] == said["rider"] == found.truth[CAMVID.index("bicyclist")]
    assert any("wrong wherever predicted" in line and "wall" in line for line in found.notes)


def test_without_partner_is_background_on_both_sides() -> None:
    found = pair(("background", "cat", "unicorn"), ("background", "cat", "dog"))
    assert found.labels == ("background", "cat")
    assert found.truth[:3].tolist() == [0, 1, 0]
    assert found.predicted.tolist() == [0, 1, 0]
    assert "background, for the model has no such class: unicorn" in found.notes
    assert "in no mask, and background wherever predicted: dog" in found.notes


def test_left_out_as_asked() -> None:
    found = pair(("road", "sky"), ("road", "sky"), {"sky": ()})
    assert found.labels == ("road",)
    assert found.truth[:2].tolist() == [0, IGNORE]
    assert found.predicted.tolist() == [0, 1]
    assert "not judged, as asked: sky" in found.notes
    rest = pair(("background", "cat", "unicorn"), ("background", "cat"), {REST: ()})
    assert rest.truth[:3].tolist() == [0, 1, IGNORE]


def test_background_alone_is_nothing_in_common() -> None:
    with pytest.raises(DataError, match="no class name in common"):
        pair(("a", "b"), ("background", "c"))
