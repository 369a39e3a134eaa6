"""An ONNX file -> the plain float32 graph that is quantised; its layers with weights."""

from collections.abc import Callable, Iterable
from pathlib import Path

import onnx
import onnxruntime as ort
from onnx import shape_inference, version_converter

from maskery.core.errors import ModelError, first_line

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
QUANTISED = ("QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "ConvInteger", "MatMulInteger")
LEAST_OPSET = 13
"""The first one that has scales by channel."""


def plain_graph(path: Path, scratch: Path) -> onnx.ModelProto:
    """The network at ``path`` in float32, constants folded, normalisations melted into convolutions, shapes inferred.

    Weights that are stored as float16 are wide again; sizes that were free still are. Every node has a name.
    ``scratch`` is a folder for files in passing. Raises ``ModelError`` for a file that is no ONNX, is quantised
    already, or that no newer opset can be given to.
    """
    if path.suffix != ".onnx":
        raise ModelError(
            f"{path.name} is not an ONNX file.", "Quantise the ONNX model that it was made from; LiteRT files stay so."
        )
    try:
        model = onnx.load(path)
        if any(node.op_type in QUANTISED for node in model.graph.node):
            raise ModelError(f"{path.name} is quantised already.", "Give the float model that it was made from.")
        if _opset(model) < LEAST_OPSET:
            model = version_converter.convert_version(model, LEAST_OPSET)
        model = shape_inference.infer_shapes(_simplified(model, scratch))
    except ModelError:
        raise
    except Exception as error:  # those of onnx and ONNX Runtime share no base class
        raise ModelError(
            f"{path.name} cannot be prepared for quantisation: {first_line(error)}",
            f"Export it again with opset {LEAST_OPSET} or later, its weights in the same file.",
        ) from error
    for i, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{i}"
    return model


def _simplified(model: onnx.ModelProto, scratch: Path) -> onnx.ModelProto:
    """What ONNX Runtime's basic optimisations make of it; they keep to ONNX's own operators."""
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(scratch / "plain.onnx")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    simple = onnx.load(options.optimized_model_filepath)
    used = {node.domain for node in simple.graph.node} | {""}
    for entry in [entry for entry in simple.opset_import if entry.domain not in used]:
        simple.opset_import.remove(entry)
    return simple


def _opset(model: onnx.ModelProto) -> int:
    return max((int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)


def layers(model: onnx.ModelProto) -> list[str]:
    """The names of the nodes that multiply by weights, in the graph's order."""
    return [node.name for node in model.graph.node if _is_layer(model)(node)]


def first_layers(model: onnx.ModelProto) -> list[str]:
    """The layers that the picture meets first."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value.name for value in model.graph.input if value.name not in weights]
    return _nearest(model, inputs, lambda node: node.input, lambda node: node.output)


def last_layers(model: onnx.ModelProto) -> list[str]:
    """The layers that come last before the outputs."""
    outputs = [value.name for value in model.graph.output]
    return _nearest(model, outputs, lambda node: node.output, lambda node: node.input)


def followers(model: onnx.ModelProto, names: Iterable[str]) -> list[str]:
    """The nodes without weights between the layers ``names`` and the next ones: sums, activations, pools."""
    wanted = set(names)
    start = [tensor for node in model.graph.node if node.name in wanted for tensor in node.output]
    _, passed = _walk(model, start, lambda node: node.input, lambda node: node.output)
    return [node.name for node in model.graph.node if node.name in passed]


Ends = Callable[[onnx.NodeProto], Iterable[str]]


def _nearest(model: onnx.ModelProto, start: Iterable[str], near: Ends, far: Ends) -> list[str]:
    """The layers reached from the tensors ``start`` without passing another one."""
    found, _ = _walk(model, start, near, far)
    return [node.name for node in model.graph.node if node.name in found]


def _walk(model: onnx.ModelProto, start: Iterable[str], near: Ends, far: Ends) -> tuple[set[str], set[str]]:
    """The names of the layers that are reached, and of what is passed on the way; nodes go from ``near`` to ``far``."""
    is_layer = _is_layer(model)
    found: set[str] = set()
    passed: set[str] = set()
    reached = set(start)
    waiting = list(reached)
    while waiting:
        tensor = waiting.pop()
        for node in model.graph.node:
            if tensor not in near(node):
                continue
            if is_layer(node):
                found.add(node.name)
                continue
            passed.add(node.name)
            fresh = {name for name in far(node) if name} - reached
            reached |= fresh
            waiting += fresh
    return found, passed


def _is_layer(model: onnx.ModelProto) -> Callable[[onnx.NodeProto], bool]:
    weights = {tensor.name for tensor in model.graph.initializer}
    return lambda node: node.op_type in WEIGHTED and any(name in weights for name in node.input)
