"""Label Studio's JSON export: our writer's regions read back, pictures by the names that tasks have."""

import json
from pathlib import Path

import numpy as np
import pytest

from maskery.core.errors import DataError
from maskery.datasets.formats import describe, open_dataset
from maskery.encode.annotations.label_studio import regions
from maskery.encode.options import Options
from tests.datasets.exports import class_map, opened, picture
from tests.encode.results import LABELS, semantic


def export(root: Path, url: str = "/data/upload/3/7f3c-a.jpg", shape: str = "mask") -> Path:
    found, _ = regions(semantic(class_map()), Options(shape=shape))
    cancelled = {"result": [], "was_cancelled": True}
    task = {"id": 1, "data": {"image": url}, "annotations": [cancelled, {"id": 2, "result": found}], "predictions": []}
    (root / "project-3-at-2026.json").write_text(json.dumps([task]))
    return root


@pytest.mark.parametrize("shape", ["mask", "polygon"])
def test_what_we_write_is_read_back_to_the_pixel(tmp_path: Path, shape: str) -> None:
    picture(tmp_path / "images" / "7f3c-a.jpg")
    data = opened(export(tmp_path, shape=shape), "label-studio")
    table = np.array([data.labels.index(label) if label in data.labels else 0 for label in LABELS])
    np.testing.assert_array_equal(data.mask(0), table[class_map()])


@pytest.mark.parametrize(
    "url",
    ["/data/upload/3/a%20b.jpg", "/data/local-files/?d=some/where/a%20b.jpg", "https://h.example/x/a b.jpg", "a b.jpg"],
)
def test_pictures_lie_beside_it_or_in_images(tmp_path: Path, url: str) -> None:
    picture(tmp_path / "a b.jpg")
    assert opened(export(tmp_path, url), "label-studio").name(0) == "a b"


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the picture /data/upload/3/7f3c-a\.jpg is missing"):
        open_dataset(export(tmp_path), "all")
    picture(tmp_path / "images" / "7f3c-a.jpg", (8, 12))
    with pytest.raises(DataError, match=r"brushlabels of 7f3c-a cannot be read: run lengths are of 192 pixels"):
        open_dataset(tmp_path, "all").mask(0)
    assert describe(tmp_path).splits == ("train", "val")
