import json

import numpy as np
from hypothesis import given, settings
from numpy.typing import NDArray

from maskery.encode.options import PLAIN_OPTIONS, Options
from maskery.encode.vector.polygons import encode_polygons
from tests.encode.reference import inside, label_maps
from tests.encode.results import foreground, halves, semantic


def test_a_cat_and_a_dog() -> None:
    found = json.loads(encode_polygons(semantic(halves()), PLAIN_OPTIONS))
    assert found["size"] == {"width": 16, "height": 12}
    assert found["task"] == "semantic"
    assert "y down" in found["coordinates"]
    assert (found["tolerance"], found["gap_free"], found["min_area"]) == (0, False, 0)
    assert found["left_out"] == {"pieces": 0, "pixels": 0}
    cat, dog = found["classes"]
    assert cat == {
        "id": 1,
        "name": "cat",
        "color": "#c81e3c",
        "polygons": [{"pixels": 48, "box": [0, 6, 8, 12], "exterior": [[0, 6], [8, 6], [8, 12], [0, 12]], "holes": []}],
    }
    assert dog["polygons"][0]["box"] == [8, 6, 16, 12]


@settings(deadline=None)
@given(ids=label_maps(classes=3))
def test_the_json_filled_is_the_class_map(ids: NDArray[np.uint8]) -> None:
    found = json.loads(encode_polygons(semantic(ids), PLAIN_OPTIONS))
    painted = np.zeros(ids.shape, np.uint8)
    for entry in found["classes"]:
        for polygon in entry["polygons"]:
            painted[inside([polygon["exterior"], *polygon["holes"]], ids.shape)] += entry["id"]
    np.testing.assert_array_equal(painted, ids)


def test_what_was_left_out_is_said() -> None:
    ids = halves()
    ids[0, :3] = (1, 0, 2)
    found = json.loads(encode_polygons(semantic(ids), Options(min_area=5, gap_free=True, tolerance=1.0)))
    assert found["left_out"] == {"pieces": 2, "pixels": 2}
    assert (found["tolerance"], found["gap_free"], found["min_area"]) == (1, True, 5)
    assert [len(entry["polygons"]) for entry in found["classes"]] == [1, 1]


def test_foreground() -> None:
    found = json.loads(encode_polygons(foreground(halves() * 100), PLAIN_OPTIONS))
    assert found["task"] == "foreground"
    assert [(entry["name"], entry["polygons"][0]["pixels"]) for entry in found["classes"]] == [("person", 48)]
