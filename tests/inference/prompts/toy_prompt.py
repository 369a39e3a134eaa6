"""A prompt model of the real form whose answers can be foreseen: what is bright, what is boxed, what is clicked.

Candidates: 0, score 0.9, what is bright, within the box where there is one, without the discs of negative clicks; 1,
score 0.5, the discs of positive clicks; 2, score 0.2, the previous mask.
"""

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from maskery.core.card import Licence, ModelCard, Network
from maskery.core.card_tensors import Input, Output
from maskery.models.card_toml import card_text

STRIDES = (2, 4, 8, 16)
MAPS = [f"map{stride}" for stride in STRIDES]
SIZE = 64
FLOAT = TensorProto.FLOAT


def _network(nodes: list[onnx.NodeProto], takes: list[onnx.ValueInfoProto], gives: list[onnx.ValueInfoProto]) -> bytes:
    constants = {
        "sure": np.float32(100), "half": np.float32(0.5), "one": np.float32(1),
        "twice": np.array([1, 1, 2, 2], np.float32), "parts": np.array([1, 1, 1, 1]),
        "planes": np.array([1, 2, 3]), "no": np.array([], np.float32),
        "scores": np.array([[0.9, 0.5, 0.2]], np.float32), "channel": np.array([1]),
    }  # fmt: skip
    used = {name for node in nodes for name in node.input}
    held = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items() if name in used]
    model = helper.make_model(
        helper.make_graph(nodes, "toy", takes, gives, held), opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _value(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, FLOAT, shape)


@cache
def encoder() -> bytes:
    """Mean colours at each stride."""
    nodes = [
        helper.make_node("AveragePool", ["image"], [f"map{s}"], kernel_shape=[s, s], strides=[s, s]) for s in STRIDES
    ]
    gives = [_value(name, "n", 3, f"h{name}", f"w{name}") for name in MAPS]
    return _network(nodes, [_value("image", "n", 3, "h", "w")], gives)


@cache
def decoder() -> bytes:
    """See the top of the file."""
    nodes = [
        helper.make_node("Resize", ["prompts", "no", "twice"], ["large"], mode="nearest"),
        helper.make_node("Split", ["large", "parts"], ["on", "off", "box", "former"], axis=1),
        helper.make_node("ReduceMean", ["map2"], ["bright"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["bright", "sure"], ["brightness"]),
        helper.make_node("ReduceMax", ["box"], ["boxed"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Sub", ["box", "half"], ["inside"]),
        helper.make_node("Mul", ["inside", "boxed"], ["where_boxed"]),
        helper.make_node("Sub", ["one", "boxed"], ["unboxed"]),
        helper.make_node("Add", ["where_boxed", "unboxed"], ["allowed"]),
        helper.make_node("Mul", ["allowed", "sure"], ["gate"]),
        helper.make_node("Min", ["brightness", "gate"], ["gated"]),
        helper.make_node("Mul", ["off", "sure"], ["erased"]),
        helper.make_node("Sub", ["gated", "erased"], ["first"]),
        helper.make_node("Sub", ["on", "half"], ["second"]),
        helper.make_node("Sub", ["former", "half"], ["third"]),
        helper.make_node("Concat", ["first", "second", "third"], ["masks"], axis=1),
        helper.make_node("ReduceMax", ["prompts"], ["any"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["any", "channel"], ["each"]),
        helper.make_node("Min", ["each", "scores"], ["mask_scores"]),
    ]
    takes = [_value(name, "m", 3, f"h{name}", f"w{name}") for name in MAPS]
    takes.append(_value("prompts", "b", 4, "h", "w"))
    return _network(nodes, takes, [_value("masks", "b", 3, "h2", "w2"), _value("mask_scores", "b", 3)])


def toy_card(size: int = SIZE, name: str = "toy-prompt") -> ModelCard:
    """Its card."""
    files = {
        "encoder": (encoder(), ["image"], MAPS),
        "decoder": (decoder(), [*MAPS, "prompts"], ["masks", "mask_scores"]),
    }
    return ModelCard(
        name=name,
        version="1",
        task="prompt",
        description="For tests.",
        licence=Licence(name="MIT", commercial_use=True),
        labels=["background", "object"],
        networks=[
            Network(
                name=part, file=f"{part}.onnx", sha256=hashlib.sha256(data).hexdigest(), bytes=len(data),
                inputs=takes, outputs=gives,
            )
            for part, (data, takes, gives) in files.items()
        ],
        inputs=[
            Input(
                tensor="image", layout="NCHW", resize="letterbox", size=(size, size), mean=(127.0, 127.0, 127.0),
                std=(128.0, 128.0, 128.0),
            ),
            Input(tensor="prompts", role="prompt-maps"),
        ],
        outputs=[
            Output(tensor="masks", role="masks", layout="CHW"),
            Output(tensor="mask_scores", role="mask-scores", layout="C"),
        ],
    )  # fmt: skip


def write_toy(folder: Path, name: str = "toy-prompt") -> Path:
    """The model in ``folder``, as ``maskery.load`` takes it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "encoder.onnx").write_bytes(encoder())
    (folder / "decoder.onnx").write_bytes(decoder())
    (folder / "model.toml").write_text(card_text(toy_card(name=name)))
    return folder


def scene(size_wh: tuple[int, int], box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """(H, W, 3): black, with a white rectangle."""
    pixels = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    left, top, right, bottom = box
    pixels[top:bottom, left:right] = 255
    return pixels
