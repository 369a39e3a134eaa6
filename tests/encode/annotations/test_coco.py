import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as reference
from pycocotools.coco import COCO

from maskery.core.errors import BadRequest
from maskery.encode.annotations.coco import class_rles, encode_coco, encode_coco_rle
from maskery.encode.annotations.coco_counts import compressed
from maskery.encode.options import PLAIN_OPTIONS, Options
from tests.encode.reference import label_maps, nested
from tests.encode.results import foreground, halves, instances, semantic

# pycocotools 2.0.11 with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

A = np.zeros((4, 5), np.uint8)
A[1:3, 1:4] = 1
B = np.array([[0, 1, 1], [1, 0, 1]], np.uint8)


@pytest.mark.parametrize(("mask", "counts"), [(A, "5220003"), (B, "1210")])
def test_known_vectors(mask: NDArray[np.uint8], counts: str) -> None:
    assert class_rles(mask)[1] == {"size": list(mask.shape), "counts": counts}
    assert reference.encode(np.asfortranarray(mask))["counts"].decode() == counts


@settings(deadline=None, max_examples=200)
@given(ids=label_maps(side=20))
def test_every_class_as_the_reference_writes_it(ids: NDArray[np.uint8]) -> None:
    found = class_rles(ids)
    assert set(found) == set(np.unique(ids).tolist())
    for number, rle in found.items():
        expected = reference.encode(np.asfortranarray(ids == number))
        assert (rle["size"], rle["counts"]) == (list(expected["size"]), expected["counts"].decode())


@given(counts=st.lists(st.integers(0, 80_000_000), min_size=1, max_size=30))
def test_lengths_of_any_size(counts: list[int]) -> None:
    size = [1, sum(counts)]
    theirs = reference.frPyObjects({"size": size, "counts": counts}, *size)
    assert compressed(np.array(counts)) == theirs["counts"].decode()


@settings(deadline=None)
@given(ids=label_maps(classes=3))
def test_coco_rle(ids: NDArray[np.uint8]) -> None:
    found = json.loads(encode_coco_rle(semantic(ids), PLAIN_OPTIONS))
    painted = np.zeros(ids.shape, np.uint8)
    for entry in found["classes"]:
        assert entry["area"] == reference.area(entry["rle"])
        assert entry["bbox"] == reference.toBbox(entry["rle"]).tolist()
        painted += entry["id"] * reference.decode(entry["rle"])
    np.testing.assert_array_equal(painted, ids)


@pytest.mark.parametrize("shape", ["mask", "polygon"])
@settings(deadline=None)
@given(ids=label_maps(classes=3))
def test_a_coco_file_that_pycocotools_loads(tmp_path_factory: pytest.TempPathFactory, shape: str, ids: object) -> None:
    assert isinstance(ids, np.ndarray)
    path: Path = tmp_path_factory.mktemp("coco") / "coco.json"
    path.write_bytes(encode_coco(semantic(ids), Options(shape=shape, file_name="cat.jpg")))
    coco = COCO(str(path))
    (image,) = coco.loadImgs(coco.getImgIds())
    assert (image["file_name"], image["width"], image["height"]) == ("cat.jpg", ids.shape[1], ids.shape[0])
    assert {c["id"]: c["name"] for c in coco.loadCats(coco.getCatIds())} == {1: "cat", 2: "dog"}
    painted = np.zeros(ids.shape, np.uint8)
    for annotation in coco.loadAnns(coco.getAnnIds()):
        mask = coco.annToMask(annotation)
        assert annotation["iscrowd"] == 0
        assert annotation["area"] == mask.sum()
        assert annotation["bbox"] == reference.toBbox(reference.encode(np.asfortranarray(mask))).tolist()
        painted += annotation["category_id"] * mask
    np.testing.assert_array_equal(painted, ids)


def test_holes_and_small_pieces() -> None:
    ids = nested(4)
    ids[0, 0] = 2
    found = json.loads(encode_coco(semantic(ids), Options(min_area=2)))
    assert found["info"]["provenance"]["left_out"] == {"pieces": 1, "pixels": 1}
    assert sum(annotation["area"] for annotation in found["annotations"]) == 63
    outlined = json.loads(encode_coco(semantic(ids), Options(min_area=2, shape="polygon", tolerance=0.5)))
    assert outlined["info"]["provenance"]["left_out"] == {"pieces": 1, "pixels": 1}
    with pytest.raises(BadRequest, match="shape=mask or shape=polygon"):
        encode_coco(semantic(ids), Options(shape="box"))


def test_foreground_and_nothing() -> None:
    found = json.loads(encode_coco(foreground(halves() * 100), PLAIN_OPTIONS))
    assert [c["name"] for c in found["categories"]] == ["person"]
    assert json.loads(encode_coco(semantic(halves() * 0), PLAIN_OPTIONS))["annotations"] == []
    assert json.loads(encode_coco_rle(semantic(halves() * 0), PLAIN_OPTIONS))["classes"] == []


def test_objects_are_annotations_of_their_own(tmp_path: Path) -> None:
    result = instances()
    file = tmp_path / "objects.json"
    file.write_bytes(encode_coco(result, PLAIN_OPTIONS))
    data = COCO(str(file))
    found = data.loadAnns(data.getAnnIds())
    assert [(one["category_id"], one["score"], one["area"]) for one in found] == [
        (2, 0.9, 48),
        (1, 0.75, 36),
        (2, 0.5, 4),
    ]
    assert [one["bbox"] for one in found] == [[1, 1, 8, 6], [6, 4, 6, 6], [13, 9, 2, 2]]
    for one, expected in zip(found[:2], result.instances, strict=False):
        assert expected.mask is not None
        np.testing.assert_array_equal(reference.decode(one["segmentation"]), expected.mask.placed((16, 12)))
    assert found[2]["segmentation"] == []
    assert "track_id" not in found[0]
    assert found[1]["track_id"] == 7
    assert [category["name"] for category in data.loadCats(data.getCatIds())] == ["cat", "dog"]


def test_small_objects_are_left_out() -> None:
    found = json.loads(encode_coco(instances(), Options(min_area=37)))
    assert [one["area"] for one in found["annotations"]] == [48]
    assert found["info"]["provenance"]["left_out"] == {"pieces": 2, "pixels": 40}
    assert [one["id"] for one in json.loads(encode_coco_rle(instances(), Options(min_area=37)))["objects"]] == [1]
