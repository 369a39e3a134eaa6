"""COCO's instances: polygons, run lengths, crowds, overlaps; compared with pycocotools."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from maskery.core.errors import DataError
from maskery.core.labels import IGNORE
from maskery.datasets.formats import describe, open_dataset
from maskery.datasets.shapes import decompressed, polygons_mask, runs_mask

# pycocotools 2.0.11 with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

SQUARE = [1.0, 1.0, 5.0, 1.0, 5.0, 5.0, 1.0, 5.0]
SMALL = [3.0, 3.0, 7.0, 3.0, 7.0, 6.0, 3.0, 6.0]


def write(root: Path, *annotations: dict[str, Any], **entry: Any) -> Path:
    (root / "images" / "val").mkdir(parents=True, exist_ok=True)
    (root / "annotations").mkdir(exist_ok=True)
    Image.new("RGB", (8, 6)).save(root / "images" / "val" / "5.jpg")
    index = {
        "images": [{"id": 5, "file_name": "5.jpg", "width": 8, "height": 6} | entry],
        "annotations": [{"id": i, "image_id": 5, "iscrowd": 0} | a for i, a in enumerate(annotations)],
        "categories": [{"id": 3, "name": "cat"}, {"id": 90, "name": "toothbrush"}],
    }
    (root / "annotations" / "instances_val.json").write_text(json.dumps(index))
    return root


def test_polygons_overlaps_and_background(tmp_path: Path) -> None:
    write(tmp_path, {"category_id": 90, "segmentation": [SMALL]}, {"category_id": 3, "segmentation": [SQUARE]})
    assert describe(tmp_path).format == "coco-instances"
    data = open_dataset(tmp_path, "val")
    assert data.labels == ("background", "cat", "toothbrush")
    expected = np.zeros((6, 8), np.uint8)
    expected[1:5, 1:5] = 1
    expected[3:6, 3:7] = 2  # the smaller is on top, whatever their order
    assert data.mask(0).tolist() == expected.tolist()
    write(tmp_path, {"category_id": 3, "segmentation": [SQUARE]}, {"category_id": 90, "segmentation": [SMALL]})
    assert open_dataset(tmp_path, "val").mask(0).tolist() == expected.tolist()


def test_run_lengths_and_crowds_below_things(tmp_path: Path) -> None:
    crowd = {"size": [6, 8], "counts": [0, 18, 30]}
    thing = np.zeros((6, 8), np.uint8)
    thing[:2, :4] = 1
    packed = coco.encode(np.asfortranarray(thing))
    text = {"size": [6, 8], "counts": packed["counts"].decode()}
    write(
        tmp_path,
        {"category_id": 3, "segmentation": crowd, "iscrowd": 1},
        {"category_id": 3, "segmentation": text},
    )
    expected = np.zeros((6, 8), np.uint8)
    expected[:, :3] = IGNORE
    expected[:2, :4] = 1
    assert open_dataset(tmp_path, "val").mask(0).tolist() == expected.tolist()


@pytest.mark.parametrize("seed", range(20))
def test_run_lengths_are_those_of_pycocotools(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((37, 23)) < rng.random()
    packed = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert (runs_mask(decompressed(packed["counts"].decode()), (23, 37)) == mask).all()


@pytest.mark.parametrize("seed", range(20))
def test_polygons_are_nearly_those_of_pycocotools(seed: int) -> None:
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.random(12)) * 2 * np.pi
    radius = 20 + 25 * rng.random(12)
    ring = np.stack([60 + radius * np.cos(angles), 50 + radius * np.sin(angles)], 1).reshape(-1).tolist()
    ours = polygons_mask([ring], (120, 100))
    theirs = coco.decode(coco.frPyObjects([ring], 100, 120))[..., 0] > 0
    assert (ours & theirs).sum() / (ours | theirs).sum() > 0.97


def test_a_polygon_that_leaves_the_picture_is_cut_off() -> None:
    assert polygons_mask([[-10, -10, 20, -10, 20, 20, -10, 20]], (4, 3)).all()
    assert not polygons_mask([[1e300, 0, 2e300, 0, 1e300, 3]], (4, 3)).any()


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ({"category_id": 4, "segmentation": [SQUARE]}, "annotation 0: its category 4 is not listed"),
        ({"category_id": 3}, "annotation 0: it has no segmentation. Export masks"),
        ({"category_id": 3, "segmentation": [[1, 2, 3]]}, "annotation 0: a polygon has 3 numbers"),
        ({"category_id": 3, "segmentation": "x"}, "annotation 0: Expected"),
        (
            {"category_id": 3, "segmentation": {"size": [6, 9], "counts": [54]}},
            "its size is [6, 9], the picture's [6, 8]",
        ),
        ({"category_id": 3, "segmentation": {"size": [6, 8], "counts": [49]}}, "add up to 49, not 8 x 6 pixels"),
        ({"category_id": 3, "segmentation": {"size": [6, 8], "counts": [50, -2]}}, "add up to 48, not 8 x 6"),
        ({"category_id": 3, "segmentation": {"size": [6, 8], "counts": "\u00e4"}}, "run lengths have the character"),
    ],
)
def test_damaged_annotations_are_named(tmp_path: Path, annotation: dict[str, Any], message: str) -> None:
    data = open_dataset(write(tmp_path, annotation), "val")
    with pytest.raises(DataError) as caught:
        data.mask(0)
    assert message in str(caught.value)
    assert "instances_val.json" in str(caught.value)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"picture 5.jpg is 0 x 6 pixels"):
        open_dataset(write(tmp_path, width=0), "val").mask(0)
    with pytest.raises(DataError, match=r"mask of .*5.jpg is 9 x 6 pixels, its picture 8 x 6"):
        open_dataset(write(tmp_path, width=9), "val").mask(0)
    with pytest.raises(DataError, match="outside its folder"):
        open_dataset(write(tmp_path, file_name="../../7.jpg"), "val")
    with pytest.raises(DataError, match=r"6.jpg, named in instances_val.json, is missing"):
        open_dataset(write(tmp_path, file_name="6.jpg"), "val")
    with pytest.raises(DataError, match=r"instances_tran.json cannot be read: .* Splits here: val"):
        open_dataset(tmp_path, "tran")
    (tmp_path / "annotations" / "instances_val.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match="is not COCO's JSON"):
        open_dataset(tmp_path, "val")


def with_categories(root: Path, *categories: tuple[int, str]) -> Path:
    write(root, *({"category_id": id, "segmentation": [SQUARE]} for id, _ in categories))
    path = root / "annotations" / "instances_val.json"
    index = json.loads(path.read_text()) | {"categories": [{"id": id, "name": name} for id, name in categories]}
    path.write_text(json.dumps(index))
    return root


@pytest.mark.parametrize(
    ("categories", "labels"),
    [
        ([(0, "background"), (1, "box")], ("background", "box")),
        ([(0, "_background_"), (1, "box")], ("background", "box")),
        ([(1, "box"), (2, "Background")], ("background", "box")),
        ([(1, "box"), (2, "box")], ("background", "box")),
    ],
)
def test_categories_of_one_name_are_one_class(
    tmp_path: Path, categories: list[tuple[int, str]], labels: tuple[str, ...]
) -> None:
    data = open_dataset(with_categories(tmp_path, *categories), "val")
    assert data.labels == labels
    assert set(np.unique(data.mask(0)).tolist()) <= {0, 1}


def test_blank_names_and_one_id_of_two_categories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="name of class 1 is blank"):
        open_dataset(with_categories(tmp_path, (1, " ")), "val")
    with pytest.raises(DataError, match="two categories have the id 1"):
        open_dataset(with_categories(tmp_path, (1, "a"), (1, "b")), "val")


def test_splits_may_list_their_categories_in_another_order(tmp_path: Path) -> None:
    with_categories(tmp_path, (1, "box"), (2, "disc"))
    (tmp_path / "images" / "test").symlink_to(tmp_path / "images" / "val")
    index = json.loads((tmp_path / "annotations" / "instances_val.json").read_text())
    index["categories"].reverse()
    index["annotations"] = index["annotations"][:1]
    (tmp_path / "annotations" / "instances_test.json").write_text(json.dumps(index))
    assert [open_dataset(tmp_path, split).labels[1] for split in ("test", "val")] == ["disc", "disc"]
    assert np.unique(open_dataset(tmp_path, "test").mask(0)).tolist() == [0, 2]  # box is the second of the first split


@pytest.mark.parametrize(
    ("index", "picture", "file_name"),
    [
        ("train/_annotations.coco.json", "train/5.jpg", "5.jpg"),  # Roboflow
        ("result.json", "images/5.jpg", "images/5.jpg"),  # Label Studio
        ("result.json", "images/5.jpg", "images\\5.jpg"),
        ("result.json", "images/5.jpg", "/data/upload/1/5.jpg"),
        ("annotations.json", "JPEGImages/5.jpg", "JPEGImages/5.jpg"),  # labelme2coco
        ("labels.json", "data/5.jpg", "5.jpg"),  # FiftyOne
        ("train/labels.json", "train/data/5.jpg", "5.jpg"),
        ("annotations/instances_default.json", "images/5.jpg", "5.jpg"),  # CVAT
    ],
)
def test_exports_of_labelling_tools_as_they_come(tmp_path: Path, index: str, picture: str, file_name: str) -> None:
    write(tmp_path / "whole", {"category_id": 3, "segmentation": [SQUARE]}, file_name=file_name)
    root = tmp_path / "export"
    for path in (root / index, root / picture):
        path.parent.mkdir(parents=True, exist_ok=True)
    text = (tmp_path / "whole" / "annotations" / "instances_val.json").read_text()
    (root / index).write_text(text, encoding="utf-8-sig")
    Image.new("RGB", (8, 6)).save(root / picture)
    found = describe(root)
    assert found.format == "coco-instances"
    split = "train" if index.startswith("train") else "default" if "default" in index else "all"
    assert found.splits == (("train", "val") if split == "all" else (split,))
    data = open_dataset(root, split)
    assert (len(data), int((data.mask(0) == 1).sum())) == (1, 16)


def test_a_point_or_line_among_polygons_has_no_area(tmp_path: Path) -> None:
    data = open_dataset(write(tmp_path, {"category_id": 3, "segmentation": [[1, 1, 2, 2], SQUARE]}), "val")
    assert (data.mask(0) == 1).sum() == 16
