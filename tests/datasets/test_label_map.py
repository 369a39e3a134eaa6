"""Classes of one data set and of a model trained on another."""

import numpy as np
import pytest

from maskery.core.errors import BadRequest, DataError
from maskery.core.labels import CAMVID, CELEBAMASK, CITYSCAPES, IGNORE, VOC, same_name
from maskery.datasets.label_map import LabelMap, match, parse_overrides


def leads_to(found: LabelMap) -> dict[str, str | None]:
    ids = found.ids[: len(found.data_labels)].tolist()
    return {
        label: None if i == IGNORE else found.model_labels[i] for label, i in zip(found.data_labels, ids, strict=True)
    }


def test_a_cityscapes_model_on_camvid() -> None:
    found = match(CAMVID, CITYSCAPES)
    assert leads_to(found) == {
        "sky": "sky", "building": "building", "pole": "pole", "road": "road", "pavement": "sidewalk",
        "tree": "vegetation", "sign": "traffic sign", "fence": "fence", "car": "car", "pedestrian": "person",
        "bicyclist": "rider",
    }  # fmt: skip
    assert found.folded == {"bicycle": "rider"}
    assert found.unmatched == ()
    assert found.unused == ("wall", "traffic light", "terrain", "truck", "bus", "train", "motorcycle")
    rider, bicycle, car = (CITYSCAPES.index(name) for name in ("rider", "bicycle", "car"))
    assert found.truth(np.array([[10, 8, IGNORE]], np.uint8)).tolist() == [[rider, car, IGNORE]]
    assert found.predicted(np.array([[rider, bicycle, car]])).tolist() == [[rider, rider, car]]
    notes = "\n".join(found.notes())
    assert "pavement counts as sidewalk (nearly the same)" in notes
    assert "bicycle, when predicted, counts as rider" in notes
    assert "wrong wherever predicted: wall, traffic light" in notes


def test_a_camvid_model_on_cityscapes_merges_what_the_model_does_not_part() -> None:
    found = match(CITYSCAPES, CAMVID)
    assert found.merged == {"bicyclist": ("rider", "bicycle")}
    assert found.unmatched == ("wall", "traffic light", "terrain", "truck", "bus", "train", "motorcycle")
    assert found.folded == {}
    assert "rider and bicycle are one class, bicyclist" in found.notes()
    assert any(line.startswith("ignored") and "terrain" in line for line in found.notes())


@pytest.mark.parametrize("labels", [VOC, CITYSCAPES, CAMVID, CELEBAMASK])
def test_equal_labels_are_left_alone(labels: tuple[str, ...]) -> None:
    found = match(labels, labels)
    assert found.same
    assert found.notes() == []
    assert found.ids[: len(labels)].tolist() == list(range(len(labels)))
    assert (found.ids[len(labels) :] == IGNORE).all()


def test_another_order_is_not_the_same_but_plain() -> None:
    found = match(("dog", "cat"), ("cat", "dog"))
    assert not found.same
    assert (found.ids[:2].tolist(), found.notes()) == ([1, 0], [])


def test_a_name_of_its_own_is_not_given_to_kin() -> None:
    found = match(("bicyclist", "bicycle"), CITYSCAPES)
    assert leads_to(found) == {"bicyclist": "rider", "bicycle": "bicycle"}
    assert found.folded == {}


def test_synonyms_and_the_words_of_coco() -> None:
    found = match(("airplane", "Potted_Plant", "sky-other-merged", "traffic-light"), (*VOC, *CITYSCAPES[5:7], "sky"))
    assert leads_to(found) == {
        "airplane": "aeroplane",
        "Potted_Plant": "pottedplant",
        "sky-other-merged": "sky",
        "traffic-light": "traffic light",
    }
    assert {m.data: m.how for m in found.matches}["airplane"] == "synonym"
    assert same_name("wall-other-merged") == "wall"
    assert same_name("grass-merged") == "grass"


def test_overrides_come_first() -> None:
    found = match(CAMVID, CITYSCAPES, parse_overrides(["car=car+truck+bus", "tree=", "sign = traffic sign"]))
    assert leads_to(found)["tree"] is None
    assert leads_to(found)["sign"] == "traffic sign"
    assert found.folded == {"truck": "car", "bus": "car", "bicycle": "rider"}
    assert found.unmatched == ("tree",)


def test_overrides_that_share_a_class_join_theirs() -> None:
    found = match(("a", "b"), ("x", "y", "z"), {"a": ("x", "y"), "b": ("y", "z")})
    assert leads_to(found) == {"a": "x", "b": "x"}
    assert found.folded == {"y": "x", "z": "x"}
    assert found.merged == {"x": ("a", "b")}


def test_the_rest_can_be_background() -> None:
    found = match(CAMVID, VOC, {"*": ("background",)})
    assert leads_to(found)["sky"] == "background"
    assert leads_to(found)["car"] == "car"
    assert leads_to(found)["pedestrian"] == "person"
    assert found.unmatched == ()


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["cart=car"], "The data set has no class 'cart'. Did you mean 'car'?"),
        (["car=caar"], "The model has no class 'caar'. Did you mean 'car'?"),
        (["car"], "'car' says no classes. Write DATA=MODEL"),
        (["car=car", "car=bus"], "'car' is given twice"),
    ],
)
def test_wrong_overrides_are_named(texts: list[str], message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        match(CAMVID, CITYSCAPES, parse_overrides(texts))
    assert message in str(caught.value)


def test_nothing_in_common_is_an_error() -> None:
    with pytest.raises(DataError, match="no class name in common: skin, nose, hair on one side, sky, building"):
        match(("skin", "nose", "hair"), CAMVID)


def test_models_of_very_many_classes() -> None:
    names = tuple(f"class {i}" for i in range(1000))
    assert match(("class 7",), names).predicted(np.array([999])).tolist() == [999]
    with pytest.raises(DataError, match="'class 300' is class 300 of the model; masks hold at most 255"):
        match(("class 300",), names)
