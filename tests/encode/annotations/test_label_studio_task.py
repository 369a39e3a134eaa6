import json

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from maskery.core.errors import BadRequest
from maskery.encode.annotations.label_studio import encode_label_studio, regions
from maskery.encode.options import PLAIN_OPTIONS, Options
from tests.encode.brush import decode_brush
from tests.encode.reference import inside, label_maps
from tests.encode.results import LABELS, halves, semantic

OUTER = {
    "id": "region-1",
    "from_name": "tag",
    "to_name": "img",
    "original_width": 16,
    "original_height": 12,
    "image_rotation": 0,
    "readonly": False,
}


def only_cat(shape: str) -> dict[str, object]:
    ids = np.where(halves() == 1, 1, 0).astype(np.uint8)
    (found,), _ = regions(semantic(ids), Options(shape=shape, from_name="tag", to_name="img"))
    assert {key: found[key] for key in OUTER} == OUTER
    return found


def test_polygons_and_boxes_are_in_percent() -> None:
    polygon = only_cat("polygon")
    assert polygon["type"] == "polygonlabels"
    points = [[0.0, 50.0], [50.0, 50.0], [50.0, 100.0], [0.0, 100.0]]
    assert polygon["value"] == {"points": points, "closed": True, "polygonlabels": ["cat"]}
    box = only_cat("box")
    assert box["type"] == "rectanglelabels"
    size = {"x": 0, "y": 50, "width": 50, "height": 50, "rotation": 0}
    assert box["value"] == size | {"rectanglelabels": ["cat"]}


@settings(deadline=None)
@given(ids=label_maps(classes=3))
def test_brushes_are_the_class_map(ids: NDArray[np.uint8]) -> None:
    (task,) = json.loads(encode_label_studio(semantic(ids), PLAIN_OPTIONS))
    painted = np.zeros(ids.shape, np.uint8)
    for item in task["predictions"][0]["result"]:
        assert item["type"] == "brushlabels"
        value = item["value"]
        assert value["format"] == "rle"
        painted[decode_brush(bytes(value["rle"])).reshape(ids.shape)] += LABELS.index(value["brushlabels"][0])
    np.testing.assert_array_equal(painted, ids)


@settings(deadline=None)
@given(ids=label_maps(classes=3))
def test_polygons_are_the_class_map(ids: NDArray[np.uint8]) -> None:
    painted = np.zeros(ids.shape, np.uint8)
    items, way = regions(semantic(ids), Options(shape="polygon"))
    for item in items:
        points = np.array(item["value"]["points"]) / 100 * ids.shape[::-1]
        painted[inside([points.round(6)], ids.shape)] += LABELS.index(item["value"]["polygonlabels"][0])
    np.testing.assert_array_equal(painted, ids)
    assert way["left_out"] == {"pieces": 0, "pixels": 0}


def test_the_task_to_import() -> None:
    (task,) = json.loads(encode_label_studio(semantic(halves()), Options(file_name="cat.jpg", min_area=3)))
    assert task["data"] == {"image": "cat.jpg"}
    assert task["meta"]["model"]["name"] == "tiny"
    assert task["meta"]["left_out"] == {"pieces": 0, "pixels": 0}
    (prediction,) = task["predictions"]
    assert prediction["model_version"] == "tiny 1.2"
    assert [item["id"] for item in prediction["result"]] == ["region-1", "region-2"]
    with pytest.raises(BadRequest, match="Add shape=polygon"):
        encode_label_studio(semantic(halves()), Options(tolerance=1.0))
