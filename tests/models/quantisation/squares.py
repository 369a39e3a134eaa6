"""A network that tells red, blue and grey apart, its data set, and its card: no training needed."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from maskery.core.card import CARD_NAME, Licence, ModelCard, Network, TaskName
from maskery.core.card_facts import Check
from maskery.core.card_tensors import Input, Output
from maskery.models.card_toml import card_text
from maskery.models.download import sha256_of
from maskery.models.store import Located
from tests.models.tiny_nets import FLOAT, IR, OPSET, node

LABELS = ["background", "red", "blue"]
CHANNELS = 32
LOUD, QUIET = 3000.0, 1.0
"""``LOUD``: one channel drowns the others where all share one scale of eight bits."""


def network(path: Path, loud: float = QUIET, half: bool = False, last: str = "logits") -> Path:
    """Logits (N, 3, H, W) of (N, 3, H, W) pixels 0..255, sides free: stem, normalisation, depthwise layer, doubling of
    half a map by a constant scale, sum, classes.

    ``loud``: the size of a channel that the classes do not look at. ``half``: weights stored as float16. ``last``:
    "class-map" for class ids (N, H, W) instead, "scores" for logits (N, 3) of the whole picture.
    """
    rng = np.random.default_rng(5)
    stem = rng.normal(0, 1e-3, (CHANNELS, 3, 3, 3))
    for channel in range(CHANNELS - 1):
        stem[channel, channel % 3, 1, 1] += 1.0
    stem[-1, :, 1, 1] = 1.0
    depthwise = rng.normal(0, 1e-3, (CHANNELS, 1, 3, 3))
    depthwise[:, 0, 1, 1] += 1.0
    depthwise[-1] *= loud
    classes = np.zeros((3, CHANNELS, 1, 1))
    for channel in range(CHANNELS - 1):
        classes[:, channel, 0, 0] = ((0, 1, -1), (0, 0, 0), (0, -1, 1))[channel % 3]
    constants = {
        "stem": stem,
        "depthwise": depthwise,
        "classes": classes / CHANNELS,
        "bias": np.array([20.0 if last != "scores" else -1e3, 0.0, 0.0]),
        "gamma": np.ones(CHANNELS),
        "beta": np.zeros(CHANNELS),
        "mean": np.zeros(CHANNELS),
        "var": np.ones(CHANNELS) - 1e-5,
        "double": np.array([1, 1, 2, 2]),
    }
    nodes = [
        helper.make_node("Conv", ["x", "stem"], ["a"], "first", pads=[1, 1, 1, 1]),
        node("BatchNormalization", "a gamma beta mean var", "b"),
        node("Relu", "b", "c"),
        helper.make_node("Conv", ["c", "depthwise"], ["d"], "middle", pads=[1, 1, 1, 1], group=CHANNELS),
        node("AveragePool", "d", "e", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Resize", ["e", "", "double"], ["f"], mode="linear"),
        node("Add", "d f", "g"),
        helper.make_node("Conv", ["g", "classes", "bias"], ["y" if last == "logits" else "h"], "final"),
    ]
    if last == "class-map":
        nodes.append(node("ArgMax", "h", "y", axis=1, keepdims=0))
    if last == "scores":
        nodes += [node("GlobalAveragePool", "h", "p"), node("Flatten", "p", "y")]
    tensors = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()]
    if half:
        tensors, casts = _halved(tensors)
        nodes = casts + nodes
    image = helper.make_tensor_value_info("x", FLOAT, ["batch", 3, "height", "width"])
    output = helper.make_tensor_value_info("y", TensorProto.INT64 if last == "class-map" else FLOAT, None)
    graph = helper.make_graph(nodes, "squares", [image], [output], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR), path)
    return path


def _halved(tensors: list[onnx.TensorProto]) -> tuple[list[onnx.TensorProto], list[onnx.NodeProto]]:
    stored, casts = [], []
    for tensor in tensors:
        if tensor.name not in ("stem", "depthwise", "classes"):
            stored.append(tensor)
            continue
        values = numpy_helper.to_array(tensor).astype(np.float16)
        stored.append(numpy_helper.from_array(values, f"{tensor.name}.half"))
        casts.append(node("Cast", f"{tensor.name}.half", tensor.name, to=FLOAT))
    return stored, casts


def model(folder: Path, kind: str = "logits", **options: object) -> Located:
    """A model folder with a network of ``options``, whose answer is logits or a class map."""
    file = network(_new(folder), last=kind, **options)  # type: ignore[arg-type]
    scores = Output(tensor="y", role="scores", layout="CHW")
    output = Output(tensor="y", role="class-map", layout="HW") if kind == "class-map" else scores
    return _written(file, "semantic", output, {"background": 0.5})


def classifier(folder: Path) -> Located:
    """The same, of the whole picture."""
    file = network(_new(folder), last="scores")
    return _written(file, "classification", Output(tensor="y", role="scores", layout="C"), {"red": 1.0})


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder / "squares.onnx"


def _written(file: Path, task: TaskName, output: Output, shares: dict[str, float]) -> Located:
    card = ModelCard(
        name="squares",
        version="1",
        task=task,
        description="Red and blue squares.",
        networks=[Network(file=file.name, sha256=sha256_of(file), bytes=file.stat().st_size)],
        licence=Licence(name="MIT", commercial_use=True),
        labels=LABELS,
        inputs=[Input(tensor="x", layout="NCHW", resize="multiple", multiple=16, max_side=64, min_side=16)],
        outputs=[output],
        check=Check(shares=shares, tolerance=1.0),
        training={"pictures": 0},
    )
    file.with_name(CARD_NAME).write_text(card_text(card), encoding="utf-8")
    return Located(card, file, "path")


def picture(index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A square on grey, (48, 64, 3), and its mask, (48, 64)."""
    rng = np.random.default_rng(index)
    image, mask = np.full((48, 64, 3), 120, np.uint8), np.zeros((48, 64), np.uint8)
    top, left = rng.integers(0, 24, 2)
    label = 1 + index % 2
    image[top : top + 24, left : left + 24] = [190, 30, 40] if label == 1 else [40, 30, 190]
    mask[top : top + 24, left : left + 24] = label
    return np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8), mask


def data(root: Path, train: int = 12, val: int = 4) -> Path:
    """A mask folder."""
    for split, numbers in (("train", range(train)), ("val", range(100, 100 + val))):
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True)
        for i in numbers:
            image, mask = picture(i)
            Image.fromarray(image).save(root / "images" / split / f"{i}.png")
            Image.fromarray(mask).save(root / "masks" / split / f"{i}.png")
    return root
