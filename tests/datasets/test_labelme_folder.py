"""LabelMe's own files: our writer's read back, its other shapes, names as they come."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from maskery.core.errors import DataError
from maskery.core.labels import IGNORE
from maskery.datasets.formats import describe, open_dataset
from maskery.encode.annotations.labelme import encode_labelme
from maskery.encode.options import Options
from tests.datasets.exports import class_map, opened, picture
from tests.encode.results import LABELS, semantic


def write(folder: Path, name: str, *shapes: dict[str, Any]) -> None:
    picture(folder / f"{name}.jpg")
    text = json.dumps(
        {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": f"{name}.jpg", "imageData": None}
    )
    (folder / f"{name}.json").write_text(text)


def test_what_we_write_is_read_back_to_the_pixel(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("\n".join(LABELS))
    for seed in range(5):
        picture(tmp_path / f"{seed}.jpg")
        data = encode_labelme(semantic(class_map(seed)), Options(file_name=f"{seed}.jpg"))
        (tmp_path / f"{seed}.json").write_bytes(data)
    data_set = opened(tmp_path, "labelme")
    assert data_set.labels == LABELS
    for seed in range(5):
        np.testing.assert_array_equal(data_set.mask(seed), class_map(seed))
    assert len(open_dataset(tmp_path, "val")) == 1


def test_every_shape_that_has_an_area(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(np.array([[255, 0], [255, 255]], np.uint8)).save(file, "PNG")
    stamp = base64.b64encode(file.getvalue()).decode()
    write(
        tmp_path / "train",
        "a",
        {"label": "box", "points": [[1, 1], [4, 3]], "shape_type": "rectangle"},
        {"label": "disc", "points": [[10, 6], [13, 6]], "shape_type": "circle"},
        {"label": "stamp", "points": [[0, 8], [1, 9]], "shape_type": "mask", "mask": stamp},
        {"label": "way", "points": [[0, 0], [9, 9]], "shape_type": "linestrip"},
        {"label": "__ignore__", "points": [[14, 10], [16, 10], [16, 12], [14, 12]]},
        {"label": "slip", "points": [[3, 3], [4, 4]], "shape_type": "polygon"},
    )
    data = opened(tmp_path, "labelme", "train")
    assert data.labels == ("background", "box", "disc", "slip", "stamp", "way")
    mask = data.mask(0)
    assert (mask == 1).sum() == 6
    assert 24 <= (mask == 2).sum() <= 32  # pi times 9
    assert mask[8:10, :2].tolist() == [[4, 0], [4, 4]]
    assert (mask[10:, 14:] == IGNORE).all()
    assert np.unique(mask).tolist() == [0, 1, 2, 4, IGNORE]


@pytest.mark.parametrize("path", ["..\\images\\a.jpg", "../images/a.jpg", "C:\\photos\\a.jpg", "/home/me/a.jpg"])
def test_a_picture_elsewhere_counts_by_its_name(tmp_path: Path, path: str) -> None:
    picture(tmp_path / "images" / "a.jpg")
    (tmp_path / "a.json").write_text(json.dumps({"shapes": [], "imagePath": path}), encoding="utf-8-sig")
    assert not opened(tmp_path, "labelme").mask(0).any()


def test_what_is_missing_or_wrong_is_named(tmp_path: Path) -> None:
    write(tmp_path, "a", {"label": "x", "points": [[0, 0], [4, 0], [4, 4]]})
    write(tmp_path, "b", {"label": "m", "points": [[0, 0], [1, 1]], "shape_type": "mask", "mask": "bm8="})
    with pytest.raises(DataError, match=r"b\.json: 'm': its mask is no PNG"):
        open_dataset(tmp_path, "all").mask(1)
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(DataError, match=r"its picture a\.jpg is missing"):
        open_dataset(tmp_path, "all")
    assert describe(tmp_path).labels == ("background", "m", "x")
