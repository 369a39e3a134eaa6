"""Supervisely's projects: polygons with holes, bitmaps, boxes; data sets as splits."""

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from maskery.core.errors import DataError
from maskery.datasets.formats import describe, open_dataset
from tests.datasets.exports import opened, picture


def project(root: Path, *objects: dict[str, Any], old: bool = False) -> Path:
    picture(root / "ds1" / "img" / "a.jpg")
    (root / "ds1" / "ann").mkdir(exist_ok=True)
    text = json.dumps({"size": {"height": 12, "width": 16}, "tags": [], "objects": objects})
    (root / "ds1" / "ann" / ("a.json" if old else "a.jpg.json")).write_text(text)
    classes = [{"title": title, "shape": "any", "color": "#ff0000"} for title in ("car", "hole, round")]
    (root / "meta.json").write_text(json.dumps({"classes": classes, "tags": [], "projectType": "images"}))
    return root


def bitmap(pixels: object, mode: str) -> str:
    file = io.BytesIO()
    grey = Image.fromarray(np.array(pixels, np.uint8) * 255)
    if mode == "RGBA":
        grey = Image.merge("RGBA", (grey, grey, grey, grey))
    grey.convert(mode).save(file, "PNG")
    return base64.b64encode(zlib.compress(file.getvalue())).decode()


@pytest.mark.parametrize("mode", ["L", "1", "RGBA"])
@pytest.mark.parametrize("old", [False, True])
def test_polygons_with_holes_bitmaps_and_boxes(tmp_path: Path, mode: str, old: bool) -> None:
    outer, inner = [[0, 0], [8, 0], [8, 6], [0, 6]], [[2, 2], [4, 2], [4, 4], [2, 4]]
    project(
        tmp_path,
        {"classTitle": "car", "geometryType": "polygon", "points": {"exterior": outer, "interior": [inner]}},
        {
            "classTitle": "hole, round",
            "geometryType": "bitmap",
            "bitmap": {"data": bitmap([[1, 0], [1, 1]], mode), "origin": [15, 11]},
        },
        {"classTitle": "car", "geometryType": "rectangle", "points": {"exterior": [[10, 8], [12, 9]]}},
        {"classTitle": "car", "geometryType": "line", "points": {"exterior": [[0, 0], [9, 9]]}},
        old=old,
    )
    data = opened(tmp_path, "supervisely", "ds1")
    assert data.labels == ("background", "car", "hole, round")
    mask = data.mask(0)
    assert (mask == 1).sum() == 8 * 6 - 4 + 2
    assert mask[2:4, 2:4].tolist() == [[0, 0], [0, 0]]
    assert (mask[11, 15], (mask == 2).sum()) == (2, 1)  # the rest of it is outside of the picture


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    broken = {"classTitle": "car", "geometryType": "bitmap", "bitmap": {"data": "eA==", "origin": [0, 0]}}
    project(tmp_path, broken)
    with pytest.raises(DataError, match=r"a\.jpg\.json: 'car': its bitmap cannot be read"):
        open_dataset(tmp_path, "ds1").mask(0)
    (tmp_path / "ds1" / "ann" / "a.jpg.json").unlink()
    with pytest.raises(DataError, match=r"a\.jpg has no annotation"):
        open_dataset(tmp_path, "ds1")
    (tmp_path / "meta.json").write_text("[]")
    with pytest.raises(DataError, match="is not Supervisely's JSON"):
        describe(tmp_path)
