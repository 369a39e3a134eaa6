"""Every object with its class and its mask, in each of the forms that they are kept in."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from maskery.core.errors import DataError
from maskery.core.labels import voc_palette
from maskery.datasets.object_truths import ObjectTruth, open_truths

ONE, OTHER = (slice(2, 12), slice(3, 13)), (slice(14, 17), slice(20, 24))


def write(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def picture(path: Path) -> None:
    write(path, np.zeros((20, 30, 3), np.uint8))


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def numbers() -> NDArray[np.uint8]:
    mask = np.zeros((20, 30), np.uint8)
    mask[ONE], mask[OTHER], mask[:, 29] = 1, 2, 255
    return mask


def listed(truth: ObjectTruth) -> list[tuple[str, int, bool]]:
    return [(one.label, one.mask.area, one.crowd) for one in truth.objects]


def test_instances_with_a_crowd(tmp_path: Path) -> None:
    picture(tmp_path / "val" / "a.png")
    box = [3, 2, 13, 2, 13, 12, 3, 12]
    crowd = {"size": [20, 30], "counts": [20 * 20, 3 * 20, 20 * 30 - 23 * 20]}
    annotations = [
        {"id": 1, "image_id": 7, "category_id": 5, "segmentation": [box]},
        {"id": 2, "image_id": 7, "category_id": 9, "segmentation": crowd, "iscrowd": 1},
    ]
    index = {
        "images": [{"id": 7, "file_name": "a.png", "width": 30, "height": 20}],
        "annotations": annotations,
        "categories": [{"id": 5, "name": "cat"}, {"id": 9, "name": "person"}],
    }
    write_json(tmp_path / "annotations" / "instances_val.json", index)
    found = open_truths(tmp_path, "val")
    assert (found.format, found.labels) == ("coco-instances", ("cat", "person"))
    assert listed(found.truth(0)) == [("cat", 100, False), ("person", 60, True)]
    assert found.truth(0).ignored.area == 0


def test_things_of_a_panoptic_set(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "val" / "a.png")
    ids = np.zeros((20, 30, 3), np.uint8)
    ids[..., 0] = np.where(numbers() == 255, 0, 3)
    ids[ONE] = (1, 1, 0)
    write(tmp_path / "panoptic" / "val" / "a.png", ids)
    segments = [{"id": 257, "category_id": 5}, {"id": 3, "category_id": 6}]
    index = {
        "images": [{"id": 7, "file_name": "a.png"}],
        "annotations": [{"image_id": 7, "file_name": "a.png", "segments_info": segments}],
        "categories": [{"id": 5, "name": "cat", "isthing": 1}, {"id": 6, "name": "grass", "isthing": 0}],
    }
    write_json(tmp_path / "panoptic_val.json", index)
    found = open_truths(tmp_path, "val")
    assert (found.format, found.labels) == ("coco-panoptic", ("cat",))
    assert listed(found.truth(0)) == [("cat", 100, False)]
    assert found.truth(0).ignored.area == 20


def test_pascal_voc(tmp_path: Path) -> None:
    picture(tmp_path / "JPEGImages" / "a.png")
    (tmp_path / "ImageSets" / "Segmentation").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Segmentation" / "val.txt").write_text("a\n")
    classes = numbers()
    classes[ONE], classes[OTHER] = 12, 15
    for folder, pixels in (("SegmentationClass", classes), ("SegmentationObject", numbers())):
        image = Image.fromarray(pixels)
        image.putpalette([value for colour in voc_palette(256) for value in colour])
        (tmp_path / folder).mkdir()
        image.save(tmp_path / folder / "a.png")
    found = open_truths(tmp_path, "val")
    assert found.format == "voc"
    assert listed(found.truth(0)) == [("dog", 100, False), ("person", 12, False)]
    assert found.truth(0).ignored.area == 20


def test_numbers_need_the_name_of_their_class(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "val" / "a.png")
    write(tmp_path / "masks" / "val" / "a.png", numbers())
    with pytest.raises(DataError, match="do not say of which class"):
        open_truths(tmp_path, "val")
    found = open_truths(tmp_path, "val", labels=["person"])
    assert listed(found.truth(0)) == [("person", 100, False), ("person", 12, False)]


def test_masks_of_another_size_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "images" / "val" / "a.png", np.zeros((10, 30, 3), np.uint8))
    write(tmp_path / "masks" / "val" / "a.png", numbers())
    with pytest.raises(DataError, match="30 x 20 pixels, the picture 30 x 10"):
        open_truths(tmp_path, "val", labels=["person"]).truth(0)


@pytest.mark.parametrize(
    ("format", "labels", "words"),
    [("coco", None, "no format of objects"), ("auto", None, "no data set of single objects")],
)
def test_refused(tmp_path: Path, format: str, labels: list[str] | None, words: str) -> None:
    with pytest.raises(DataError, match=words):
        open_truths(tmp_path, "val", format, labels)
