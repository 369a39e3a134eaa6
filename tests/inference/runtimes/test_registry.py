"""Sessions take and give tensors by name; the networks of one card run as one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskery.core.card import ModelCard
from maskery.core.errors import DeviceError, ModelError
from maskery.core.picture.decode import open_picture
from maskery.inference.pipeline import load_model
from maskery.inference.runtimes.registry import open_session, usable_cores
from maskery.models.card_toml import parse_card
from tests.core.test_card import CARD, NETWORK, PICTURE, SCORES
from tests.models import tiny_nets

ENCODER = NETWORK | {"name": "encoder", "file": "encoder.onnx", "inputs": ["x"], "outputs": ["features"]}
HEAD = NETWORK | {"name": "head", "file": "head.onnx", "inputs": ["features"], "outputs": ["y"]}
PIXELS = np.random.default_rng(3).integers(0, 256, (30, 40, 3), np.uint8)
PICTURES = np.random.default_rng(7).normal(size=(1, 3, 16, 24)).astype(np.float32)


def files(folder: Path) -> tuple[Path, Path]:
    """An encoder "x" -> "features" and a head "features" -> "y" in files of their own, and both in one, whole.onnx."""
    shape: tiny_nets.Shape = ("batch", 3, "height", "width")
    double = tiny_nets.node("Add", "x x", "features")
    tiny_nets.save(folder / "encoder.onnx", shape, [double], outputs=[("features", tiny_nets.FLOAT)])
    head = [tiny_nets.node("Conv", "features weights", "y")]
    tiny_nets.save(folder / "head.onnx", shape, head, picture="features")
    tiny_nets.save(folder / "whole.onnx", shape, [double, *head], outputs=[("features", tiny_nets.FLOAT), ("y", 1)])
    return folder / "encoder.onnx", folder / "head.onnx"


def card(**changes: Any) -> ModelCard:
    return parse_card(CARD | {"networks": [ENCODER, HEAD]} | changes, "toy")


def test_one_network_gives_its_outputs_by_name(tmp_path: Path) -> None:
    files(tmp_path)
    outputs = [SCORES, {"tensor": "features", "role": "features", "layout": "CHW"}]
    one = card(networks=[NETWORK], outputs=outputs)
    found = open_session(one, tmp_path / "whole.onnx", "cpu", 1).run({"x": PICTURES})
    assert list(found) == ["y", "features"]
    np.testing.assert_array_equal(found["features"], 2 * PICTURES)


def test_networks_of_one_card_run_as_one(tmp_path: Path) -> None:
    paths = files(tmp_path)
    chained = open_session(card(), paths, "cpu", 1)
    whole = open_session(card(networks=[NETWORK]), tmp_path / "whole.onnx", "cpu", 1)
    found = chained.run({"x": PICTURES})
    assert list(found) == ["y"], "features are between the networks"
    np.testing.assert_array_equal(found["y"], whole.run({"x": PICTURES})["y"])
    assert (chained.device, chained.runtime, chained.batches) == (whole.device, whole.runtime, True)


def test_a_model_of_two_networks_segments(tmp_path: Path) -> None:
    picture = open_picture(PIXELS, max_bytes=1, max_pixels=2000)
    two = load_model(card(), files(tmp_path), threads=1).run(picture)
    one = load_model(card(networks=[NETWORK]), tmp_path / "whole.onnx", threads=1).run(picture)
    np.testing.assert_array_equal(two.class_map, one.class_map)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"inputs": [PICTURE | {"tensor": "picture"}]}, "has no input tensor 'picture'.*Its input tensors: x"),
        ({"outputs": [SCORES | {"tensor": "z"}]}, "has no output tensor 'z'.*Its output tensors: features, y"),
    ],
)
def test_tensors_that_the_file_does_not_have(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    files(tmp_path)
    with pytest.raises(ModelError, match=says):
        open_session(card(networks=[NETWORK], **changes), tmp_path / "whole.onnx", "cpu", 1)


def test_inputs_that_the_network_refuses(tmp_path: Path) -> None:
    files(tmp_path)
    session = open_session(card(networks=[NETWORK]), tmp_path / "whole.onnx", "cpu", 1)
    with pytest.raises(ModelError, match=r"refused a float32 tensor of shape \(1, 4, 8, 8\)"):
        session.run({"x": np.zeros((1, 4, 8, 8), np.float32)})


def test_files_and_devices_that_there_are_not(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model file"):
        open_session(card(networks=[NETWORK]), tmp_path / "net.pb")
    with pytest.raises(ModelError, match=r"cannot load net\.onnx"):
        open_session(card(networks=[NETWORK]), tmp_path / "net.onnx")
    files(tmp_path)
    with pytest.raises(DeviceError, match="cuda"):
        open_session(card(networks=[NETWORK]), tmp_path / "whole.onnx", "cuda")
    assert usable_cores() >= 1
