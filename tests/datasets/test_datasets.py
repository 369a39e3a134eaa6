"""The readers on small folders made here, and on the real ones where they are."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskery.datasets.base import IGNORE
from maskery.datasets.formats import open_dataset, recognise
from maskery.errors import DataError
from maskery.labels import VOC
from tests.material import shared


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    for kind in ("images", "masks"):
        (tmp_path / kind / "train").mkdir(parents=True)
    Image.new("RGB", (6, 4)).save(tmp_path / "images" / "train" / "a.jpg")
    mask = np.zeros((4, 6), np.uint8)
    mask[0, 0], mask[3, 5] = 2, IGNORE
    Image.fromarray(mask).save(tmp_path / "masks" / "train" / "a.png")
    return tmp_path


def test_mask_folder(masks: Path) -> None:
    data = open_dataset(masks, "train", VOC)
    assert recognise(masks) == "mask-folder"
    assert (len(data), data.name(0)) == (1, "a")
    assert data.mask(0)[0, 0] == 2
    assert data.mask(0)[3, 5] == IGNORE


def test_mask_folder_errors_name_file_and_cure(masks: Path) -> None:
    with pytest.raises(DataError, match=r"no split 'tran'\. Did you mean 'train'"):
        open_dataset(masks, "tran", VOC)
    with pytest.raises(DataError, match="class id 2, but there are only 2 classes"):
        open_dataset(masks, "train", ("a", "b")).mask(0)
    Image.new("RGB", (6, 4)).save(masks / "masks" / "train" / "a.png")
    with pytest.raises(DataError, match="mode RGB"):
        open_dataset(masks, "train", VOC).mask(0)
    (masks / "masks" / "train" / "a.png").write_bytes(b"\x89PNG nonsense")
    with pytest.raises(DataError, match="not a readable mask"):
        open_dataset(masks, "train", VOC).mask(0)
    (masks / "masks" / "train" / "a.png").unlink()
    with pytest.raises(DataError, match=r"1 pictures of .* have no mask"):
        open_dataset(masks, "train", VOC)
    with pytest.raises(DataError, match="Unknown data set format"):
        open_dataset(masks, "train", VOC, "mask-foldr")
    with pytest.raises(DataError, match="form of no known data set"):
        open_dataset(masks / "images", "train", VOC)


def test_coco_panoptic_maps_names_crowds_and_gaps(tmp_path: Path) -> None:
    (tmp_path / "images" / "val").mkdir(parents=True)
    (tmp_path / "panoptic" / "val").mkdir(parents=True)
    Image.new("RGB", (4, 1)).save(tmp_path / "images" / "val" / "7.jpg")
    ids = np.array([[[3, 1, 0], [4, 0, 0], [5, 0, 0], [0, 0, 0]]], np.uint8)  # 259, 4, 5, none
    Image.fromarray(ids).save(tmp_path / "panoptic" / "val" / "7.png")
    segments = [
        {"id": 259, "category_id": 1, "iscrowd": 0},
        {"id": 4, "category_id": 2, "iscrowd": 1},
        {"id": 5, "category_id": 3, "iscrowd": 0},
    ]
    index = {
        "images": [{"id": 7, "file_name": "7.jpg"}],
        "annotations": [{"image_id": 7, "file_name": "7.png", "segments_info": segments}],
        "categories": [{"id": 1, "name": "airplane"}, {"id": 2, "name": "person"}, {"id": 3, "name": "banana"}],
    }
    (tmp_path / "panoptic_val.json").write_text(json.dumps(index))
    data = open_dataset(tmp_path, "val", VOC)
    assert recognise(tmp_path) == "coco-panoptic"
    assert data.mask(0).tolist() == [[VOC.index("aeroplane"), IGNORE, 0, IGNORE]]
    with pytest.raises(DataError, match="Splits here: val"):
        open_dataset(tmp_path, "test", VOC)
    with pytest.raises(DataError, match="no class name in common"):
        open_dataset(tmp_path, "val", ("x", "y"))


def test_the_real_ones_open() -> None:
    voc = open_dataset(shared("data/voc2012-part"), "val", VOC)
    assert len(voc) == 460
    assert set(np.unique(voc.mask(0))) <= {*range(21), IGNORE}
    coco = open_dataset(shared("data/coco2017-part"), "val2017", VOC)
    assert len(coco) == 100
    assert coco.mask(3).shape == np.asarray(Image.open(coco.image_path(3)).convert("L")).shape
