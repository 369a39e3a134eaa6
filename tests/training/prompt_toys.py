"""An encoder of a few convolutions, objects that are bright discs on grey, and a recipe that learns them in seconds."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from maskery.core.card import ModelCard
from maskery.models.card_toml import card_text
from tests.toys import card

CHANNELS = (4, 6, 6, 8)
MAPS = {"map2": ["a"], "map4": ["b"], "map8": ["c"], "map16": ["d", "d"]}

RECIPE = """
name = "discs"
version = "1"
seed = 3
[data]
root = "{root}"
crop = 64
scale = [1.2, 2.0]
passes = 3
[[data.train]]
path = "discs"
split = "train"
[data.validate]
path = "discs"
split = "val"
[network]
name = "prompt_decoder"
encoder = "{encoder}/"
imagenet = false
[network.maps]
map2 = ["a"]
map4 = ["b"]
map8 = ["c"]
map16 = ["d", "d"]
[optimiser]
rate = 1e-2
batch = 4
epochs = {epochs}
ema = 0.9
precision = "float32"
[prompts]
least_area = 50
held_out = 4
[publish]
description = "Discs."
licence = "Apache-2.0"
commercial_use = true
side = 64
"""


def encoder_model() -> onnx.ModelProto:
    """``image`` -> ``a`` to ``d`` at strides 2 to 16, with the picture's mean colours among their channels."""
    rng, nodes, weights = np.random.default_rng(0), [], []
    before, channels = "image", 3
    for name, more in zip("abcd", CHANNELS, strict=True):
        kernel = rng.normal(0, 0.2, (more, channels, 2, 2)).astype(np.float32)
        kernel[:3, :3] = np.eye(3, dtype=np.float32)[..., None, None] / 4
        weights.append(numpy_helper.from_array(kernel, f"{name}.weight"))
        nodes.append(helper.make_node("Conv", [before, f"{name}.weight"], [name], strides=[2, 2]))
        before, channels = name, more
    nodes.append(helper.make_node("Relu", ["d"], ["logits"]))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, "h", "w"])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", channels, "y", "x"])
    graph = helper.make_graph(nodes, "encoder", [image], [logits], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def encoder_card(data: bytes) -> ModelCard:
    return card(
        [f"c{i}" for i in range(CHANNELS[-1])],
        name="encoder",
        file="encoder.onnx",
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        input={
            "tensor": "image",
            "layout": "NCHW",
            "resize": "multiple",
            "multiple": 32,
            "mean": [127.0, 127.0, 127.0],
            "std": [128.0, 128.0, 128.0],
        },
        output={"tensor": "logits", "kind": "logits", "layout": "CHW"},
    )


def write_encoder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    data = encoder_model().SerializeToString()
    (folder / "encoder.onnx").write_bytes(data)
    (folder / "model.toml").write_text(card_text(encoder_card(data)))
    return folder


def write_discs(root: Path, split: str, count: int) -> None:
    """Pictures of 96 x 80 pixels with two discs each; masks hold their numbers, 255 a rim."""
    rng = np.random.default_rng(len(split))
    for kind in ("images", "masks"):
        (root / kind / split).mkdir(parents=True)
    rows, columns = np.indices((80, 96))
    for i in range(count):
        image = rng.integers(90, 120, (80, 96, 3)).astype(np.uint8)
        mask = np.zeros((80, 96), np.uint8)
        for number, middle in ((1, 26), (2, 70)):
            radius = int(rng.integers(19, 22))
            distance = np.hypot(rows - int(rng.integers(30, 50)), columns - middle)
            image[distance < radius] = rng.integers(180, 255, 3)
            mask[distance < radius] = number
        mask[:2] = 255
        Image.fromarray(image).save(root / "images" / split / f"{i}.png")
        Image.fromarray(mask).save(root / "masks" / split / f"{i}.png")


def write_recipe(root: Path, epochs: int = 2) -> Path:
    encoder = write_encoder(root / "encoder")
    write_discs(root / "discs", "train", 16)
    write_discs(root / "discs", "val", 3)
    path = root / "discs.toml"
    path.write_text(RECIPE.format(root=root, encoder=encoder, epochs=epochs))
    return path
