"""A tiny data set of bright squares with its boxes, and an encoder whose maps are means of the picture."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from maskery.training.detection.detection_recipe import (
    DetectionData,
    DetectionOptimiser,
    DetectionPublish,
    DetectionRecipe,
    EncoderSpec,
    HeadSpec,
)

SIDE, LABELS = 64, ["bright", "dark"]
CHANNELS = (4, 3, 5)
"""Of the maps at the strides 4, 8 and 16."""


def write_encoder(path: Path) -> Path:
    """Each map: means of the picture's cells, as many channels as ``CHANNELS`` says."""
    nodes, constants, outputs = [], [], []
    for stride, channels in zip((4, 8, 16), CHANNELS, strict=True):
        weights = np.random.default_rng(stride).normal(0, 1, (channels, 3, 1, 1)).astype(np.float32)
        constants.append(numpy_helper.from_array(weights, f"w{stride}"))
        pool = {"kernel_shape": [stride] * 2, "strides": [stride] * 2}
        nodes.append(helper.make_node("AveragePool", ["image"], [f"pooled{stride}"], **pool))
        nodes.append(helper.make_node("Conv", [f"pooled{stride}", f"w{stride}"], [f"map{stride}"]))
        outputs.append(helper.make_tensor_value_info(f"map{stride}", TensorProto.FLOAT, ["n", channels, None, None]))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, "h", "w"])
    graph = helper.make_graph(nodes, "toy", [image], outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), str(path))
    return path


def write_pictures(root: Path, count: int = 6) -> Path:
    """One square a picture, white (0) or black (1) on grey; the file of boxes."""
    rng, lines = np.random.default_rng(1), list[dict[str, Any]]()
    for i in range(count):
        left, top = (int(v) for v in rng.integers(4, 24, 2))
        side, label = int(rng.integers(16, 32)), i % 2
        pixels = np.full((SIDE, SIDE, 3), 127, np.uint8)
        pixels[top : top + side, left : left + side] = 255 * (1 - label)
        Image.fromarray(pixels).save(root / f"{i}.png")
        boxes = [[left, top, left + side, top + side, label, 1.0]]
        lines.append({"picture": f"{i}.png", "size_wh": [SIDE, SIDE], "boxes": boxes, "ignored": []})
    path = root / "boxes.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def toy_recipe(root: Path, **optimiser: Any) -> DetectionRecipe:
    """Over the files that ``write_pictures`` and ``write_encoder`` leave in ``root``."""
    settings = DetectionOptimiser(rate=1e-2, batch=3, epochs=2, fall=1.0, rise=2, ema=0.5)
    return DetectionRecipe(
        task="detection",
        name="toy-detector",
        version="1",
        seed=3,
        data=DetectionData(root=str(root), boxes=str(root / "boxes.jsonl"), labels=LABELS, side=SIDE, views=2),
        encoder=EncoderSpec(file=str(root / "encoder.onnx")),
        head=HeadSpec(fine=8, coarse=8),
        optimiser=msgspec.structs.replace(settings, **optimiser),
        publish=DetectionPublish(description="a toy", licence="MIT", commercial_use=True),
    )
