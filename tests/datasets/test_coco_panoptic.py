"""COCO's panoptic PNGs."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskery.core.errors import DataError
from maskery.core.labels import IGNORE, VOC
from maskery.datasets.formats import describe, open_dataset, recognise


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
    assert describe(tmp_path).labels == ("airplane", "person", "banana")
    assert open_dataset(tmp_path, "val").mask(0).tolist() == [[0, IGNORE, 2, IGNORE]]
    (tmp_path / "panoptic" / "val" / "7.png").unlink()
    with pytest.raises(DataError, match=r"7.png, named in panoptic_val.json, is missing"):
        open_dataset(tmp_path, "val", VOC)
    (tmp_path / "panoptic_val.json").write_text('{"images": [], "categories": [{"id": 1, "name": "person"}]}')
    with pytest.raises(DataError, match=r"is not COCO's JSON: .*`annotations`"):
        open_dataset(tmp_path, "val", VOC)
