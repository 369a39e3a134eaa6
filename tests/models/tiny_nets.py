"""ONNX files of a few nodes, with the inputs and outputs of real kinds of model."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Shape = Sequence[int | str]
FLOAT, UINT8 = TensorProto.FLOAT, TensorProto.UINT8
OPSET, IR = 17, 9


def node(operator: str, inputs: str, outputs: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)


def constant(name: str, value: onnx.TensorProto) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=value)


def weights(classes: int) -> onnx.TensorProto:
    """A 1 x 1 convolution's: (classes, 3, 1, 1), the same at every call."""
    values = np.random.default_rng(3).normal(size=(classes, 3, 1, 1)).astype(np.float32)
    return numpy_helper.from_array(values, "weights")


def save(
    path: Path,
    shape: Shape,
    nodes: Sequence[onnx.NodeProto],
    classes: int = 2,
    outputs: Sequence[tuple[str, int]] = (("y", FLOAT),),
    dtype: int = FLOAT,
    more_inputs: Sequence[str] = (),
    metadata: dict[str, str] | None = None,
    picture: str = "x",
) -> Path:
    """Write a net from the input ``picture``. The initialiser "weights" serves a convolution to
    ``classes`` channels.
    """
    graph = helper.make_graph(
        list(nodes),
        "tiny",
        [helper.make_tensor_value_info(picture, dtype, shape)]
        + [helper.make_tensor_value_info(name, FLOAT, [1]) for name in more_inputs],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs],
        [weights(classes)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    helper.set_model_props(model, metadata or {})
    onnx.save_model(model, path)
    return path


def nchw(path: Path, classes: int, shape: Shape = (1, 3, 32, 48), **more: object) -> Path:
    """Logits (1, classes, H, W)."""
    return save(path, shape, [node("Conv", "x weights", "y")], classes, **more)  # type: ignore[arg-type]


def nhwc_probabilities(path: Path, classes: int, shape: Shape = (1, 32, 48, 3)) -> Path:
    """Probabilities (1, H, W, classes) as a converter from TensorFlow writes them."""
    nodes = [
        node("Transpose", "x", "t", perm=[0, 3, 1, 2]),
        node("Conv", "t weights", "c"),
        node("Transpose", "c", "u", perm=[0, 2, 3, 1]),
        node("Softmax", "u", "y", axis=3),
    ]
    return save(path, shape, nodes, classes)


def nchw_to_nhwc(path: Path, classes: int) -> Path:
    """Logits (1, H, W, classes) from (1, 3, H, W)."""
    nodes = [node("Conv", "x weights", "c"), node("Transpose", "c", "y", perm=[0, 2, 3, 1])]
    return save(path, (1, 3, 32, 48), nodes, classes)


def class_map(path: Path, classes: int, keep: bool) -> Path:
    """int64 (1, H, W), or (1, 1, H, W) with ``keep``."""
    nodes = [node("Conv", "x weights", "c"), node("ArgMax", "c", "y", axis=1, keepdims=int(keep))]
    return save(path, (1, 3, 32, 48), nodes, classes, [("y", TensorProto.INT64)])


def foreground(path: Path, sigmoid: bool) -> Path:
    """(1, 1, H, W), 0..1 with ``sigmoid``."""
    nodes = [node("Conv", "x weights", "c"), node("Sigmoid" if sigmoid else "Identity", "c", "y")]
    return save(path, (1, 3, "height", "width"), nodes, 1)


def classifier(path: Path, classes: int, last: str) -> Path:
    """(1, classes), behind the operator ``last``."""
    nodes = [
        node("Conv", "x weights", "c"),
        node("GlobalAveragePool", "c", "g"),
        node("Flatten", "g", "f"),
        node(last, "f", "y"),
    ]
    return save(path, ("batch", 3, 32, 32), nodes, classes)


def uint8_input(path: Path, classes: int) -> Path:
    nodes = [
        node("Cast", "x", "f", to=FLOAT),
        node("Transpose", "f", "t", perm=[0, 3, 1, 2]),
        node("Conv", "t weights", "y"),
    ]
    return save(path, (1, 32, 48, 3), nodes, classes, dtype=UINT8)


def boxes(path: Path) -> Path:
    """(1, 6, N): what detectors give."""
    shape = numpy_helper.from_array(np.array([1, 6, -1], np.int64), "rows")
    return save(
        path,
        (1, 3, 32, 48),
        [node("Conv", "x weights", "c"), constant("rows", shape), node("Reshape", "c rows", "y")],
        6,
    )
