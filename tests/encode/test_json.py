import base64
import json

import numpy as np
import pytest

from maskery.core.version import __version__
from maskery.encode.json import encode_json
from tests.encode.results import classification, foreground, halves, pixels, semantic

HEAD = {
    "software": f"Maskery {__version__}",
    "model": {"name": "tiny", "version": "1.2", "sha256": "ab" * 32},
    "frame": {
        "original": {"width": 16, "height": 12},
        "orientation": 6,
        "working": {"width": 512, "height": 256},
        "scale": {"x": 0.5, "y": 0.25},
        "padding": {"left": 0, "top": 1, "right": 2, "bottom": 3},
    },
    "timings_ms": {"decode": 1.5, "run": 20.25},
}
CLASSES = [
    {"id": 0, "name": "background", "color": "#000000", "pixels": 96, "share": 0.5, "box": [0, 0, 16, 6]},
    {"id": 1, "name": "cat", "color": "#c81e3c", "pixels": 48, "share": 0.25, "box": [0, 6, 8, 12]},
    {"id": 2, "name": "dog", "color": "#0af05a", "pixels": 48, "share": 0.25, "box": [8, 6, 16, 12]},
]


def unpacked(picture: dict[str, str]) -> np.ndarray:
    assert picture["media_type"] == "image/png"
    return pixels(base64.b64decode(picture["base64"], validate=True))


def test_semantic() -> None:
    found = json.loads(encode_json(semantic(halves())))
    np.testing.assert_array_equal(unpacked(found.pop("mask")), halves())
    assert found == HEAD | {"task": "semantic", "decided_by": "interpolated scores", "classes": CLASSES}


def test_foreground() -> None:
    alpha = halves() * 100
    found = json.loads(encode_json(foreground(alpha)))
    np.testing.assert_array_equal(unpacked(found.pop("alpha")), alpha)
    np.testing.assert_array_equal(unpacked(found.pop("mask")), alpha >= 128)
    assert found["task"] == "foreground"
    assert [c["name"] for c in found["classes"]] == ["background", "person"]
    assert set(found) == {*HEAD, "task", "decided_by", "classes"}


def test_classification() -> None:
    found = json.loads(encode_json(classification()))
    assert set(found) == {*HEAD, "task", "top"}
    assert found["task"] == "classification"
    assert [entry["name"] for entry in found["top"]] == ["b", "d", "f", "c", "a"]
    assert found["top"][0]["score"] == pytest.approx(0.4)
