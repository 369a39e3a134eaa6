"""Exact masks of single objects, in each of the forms that they are kept in."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from maskery.core.errors import DataError
from maskery.datasets.base import ObjectPicture
from maskery.datasets.object_masks import open_objects

LARGE, SMALL = (slice(2, 12), slice(3, 13)), (slice(14, 17), slice(20, 24))


def write(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def numbers() -> NDArray[np.uint8]:
    """A large object 1, a small object 2 and a rim that is not judged, (20, 30)."""
    mask = np.zeros((20, 30), np.uint8)
    mask[LARGE], mask[SMALL], mask[:, 29] = 1, 2, 255
    return mask


def expect_both(pictures: list[ObjectPicture]) -> None:
    (picture,) = pictures
    assert picture.size_wh == (30, 20)
    assert sorted(one.area for one in picture.objects) == [12, 100]
    large = max(picture.objects, key=lambda one: one.area)
    assert (large.left_top, large.size_wh) == ((3, 2), (10, 10))


def test_numbered_masks(tmp_path: Path) -> None:
    write(tmp_path / "images" / "val" / "a.png", np.zeros((20, 30, 3), np.uint8))
    write(tmp_path / "masks" / "val" / "a.png", numbers())
    found = open_objects(tmp_path, "val")
    expect_both(found)
    assert found[0].ignored.area == 20
    assert [one.area for one in open_objects(tmp_path, "val", least_area=12)[0].objects] == [100]
    with pytest.raises(DataError, match="no object of more than 100 pixels"):
        open_objects(tmp_path, "val", least_area=100)


def test_numbered_masks_without_splits_are_all_taken(tmp_path: Path) -> None:
    for name in "abc":
        write(tmp_path / "images" / f"{name}.png", np.zeros((20, 30, 3), np.uint8))
        write(tmp_path / "masks" / f"{name}.png", numbers())
    assert len(open_objects(tmp_path, "")) == 3


def test_a_list_of_objects(tmp_path: Path) -> None:
    write(tmp_path / "images" / "val" / "a.png", np.zeros((20, 30, 3), np.uint8))
    for i in (1, 2):
        mask = numbers()
        write(tmp_path / "masks" / "val" / f"{i}.png", np.where(mask == 255, mask, (mask == i).astype(np.uint8)))
    (tmp_path / "val.tsv").write_text("image\tmask\tname\na.png\t1.png\tcup\na.png\t2.png\tcat\n")
    found = open_objects(tmp_path, "val")
    assert [[one.area for one in picture.objects] for picture in found] == [[100], [12]]
    (tmp_path / "val.tsv").write_text("picture\nx\n")
    with pytest.raises(DataError, match="is no list of objects"):
        open_objects(tmp_path, "val")


def test_the_only_object_of_a_class(tmp_path: Path) -> None:
    write(tmp_path / "images" / "train" / "a.jpg", np.zeros((20, 30, 3), np.uint8))
    write(tmp_path / "masks" / "train" / "a.png", numbers())
    (tmp_path / "single_instance.txt").write_text("a 2 cat\nof_another_split 1 dog\n")
    (picture,) = open_objects(tmp_path, "train")
    assert [one.area for one in picture.objects] == [12]
    assert picture.ignored.area == 20


def test_instances_of_coco(tmp_path: Path) -> None:
    write(tmp_path / "images" / "val" / "a.png", np.zeros((20, 30, 3), np.uint8))
    squares = [[3, 2, 13, 2, 13, 12, 3, 12], [20, 14, 24, 14, 24, 17, 20, 17], [0, 18, 5, 18, 5, 20, 0, 20]]
    annotations = [
        {"id": i, "image_id": 1, "category_id": 1, "segmentation": [square], "iscrowd": int(i == 2)}
        for i, square in enumerate(squares)
    ]
    index = {
        "images": [{"id": 1, "file_name": "a.png", "width": 30, "height": 20}],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "cup"}],
    }
    (tmp_path / "instances_val.json").write_text(json.dumps(index))
    found = open_objects(tmp_path, "val")
    expect_both(found)
    assert found[0].ignored.area == 10


def test_things_of_a_panoptic_set(tmp_path: Path) -> None:
    write(tmp_path / "images" / "val" / "a.png", np.zeros((20, 30, 3), np.uint8))
    segments = np.zeros((20, 30, 3), np.uint8)
    segments[..., 1] = 1
    segments[LARGE], segments[SMALL], segments[18:] = (7, 0, 0), (0, 0, 1), (9, 0, 0)
    write(tmp_path / "panoptic" / "val" / "a.png", segments)
    info = [(7, 1, 0), (65536, 1, 0), (256, 2, 0), (9, 1, 1)]
    index = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [
            {
                "image_id": 1,
                "file_name": "a.png",
                "segments_info": [{"id": i, "category_id": c, "iscrowd": crowd} for i, c, crowd in info],
            }
        ],
        "categories": [{"id": 1, "name": "cup", "isthing": 1}, {"id": 2, "name": "table", "isthing": 0}],
    }
    (tmp_path / "panoptic_val.json").write_text(json.dumps(index))
    found = open_objects(tmp_path, "val")
    expect_both(found)
    assert found[0].ignored.area == 60


def test_what_is_no_set_of_objects(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no data set of single objects"):
        open_objects(tmp_path, "val")
    with pytest.raises(DataError, match="Did you mean 'numbered'"):
        open_objects(tmp_path, "val", "number")
    write(tmp_path / "images" / "val" / "a.png", np.zeros((20, 31, 3), np.uint8))
    write(tmp_path / "masks" / "val" / "a.png", numbers())
    with pytest.raises(DataError, match="Make the masks as large as the upright picture"):
        open_objects(tmp_path, "val")
