import json
from dataclasses import replace

import numpy as np
import pytest

from maskery.encode.json import encode_json, encode_summary, summary
from tests.encode.results import classification, foreground, halves, semantic
from tests.encode.test_json import CLASSES, HEAD


def test_semantic() -> None:
    ids = halves()
    ids[-1, 15] = 1
    ids[-2, 14] = 1
    found = json.loads(encode_summary(semantic(ids)))
    assert found["measured_on"] == {"width": 16, "height": 12}
    assert [(c["name"], c["pixels"], c["components"]) for c in found["classes"]] == [
        ("background", 96, 1),
        ("cat", 50, 3),  # pixels that touch by a corner only are two pieces
        ("dog", 46, 1),
    ]


@pytest.mark.parametrize("result", [semantic(halves()), foreground(halves()), classification()])
def test_it_is_the_json_without_the_pictures(result: object) -> None:
    full = json.loads(encode_json(result))
    full.pop("mask", None)
    full.pop("alpha", None)
    found = json.loads(encode_summary(result))
    found.pop("measured_on", None)
    for entry in found.get("classes", []):
        assert entry.pop("components") >= 1
    assert found == full


def test_of_a_small_map_the_numbers_are_those_of_the_picture() -> None:
    small = semantic(halves(12, 16))
    frame = replace(small.meta.frame, original_wh=(40, 24), answer_wh=(16, 12))
    large = replace(small, meta=replace(small.meta, frame=frame))
    found = summary(large)
    assert found["frame"]["answer"] == found["measured_on"]
    assert found["measured_on"] == {"width": 16, "height": 12}
    assert [(c["pixels"], c["share"], c["box"], c["components"]) for c in found["classes"]] == [
        (480, 0.5, [0, 0, 40, 12], 1),
        (240, 0.25, [0, 12, 20, 24], 1),
        (240, 0.25, [20, 12, 40, 24], 1),
    ]


def test_the_timings_are_a_copy() -> None:
    result = semantic(halves())
    summary(result)["timings_ms"]["run"] = 0
    assert result.meta.timings_ms["run"] == 20.25


def test_a_class_that_is_absent_is_not_listed() -> None:
    found = summary(semantic(np.zeros((3, 3), np.uint8)))
    assert [c["name"] for c in found["classes"]] == ["background"]
    assert set(found) == {*HEAD, "task", "decided_by", "measured_on", "classes"}
    assert set(found["classes"][0]) == {*CLASSES[0], "components"}
