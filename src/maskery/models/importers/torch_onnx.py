"""A torch network -> ONNX graph without traces of this machine, and how far ONNX Runtime's outputs are from torch's."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn


@dataclass(frozen=True)
class Proof:
    """Largest absolute differences of logits over ``proof_sizes``; share of positions with another best class.

    ``exact``: before the weights are rounded for storage; ``stored`` and ``changed``: of the file as it is.
    """

    exact: float
    stored: float
    changed: float


def forget_origin(model: onnx.ModelProto) -> None:
    """Drop what the exporter notes about source files: it names folders of this machine."""
    for holder in [model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info]:
        del holder.metadata_props[:]
    for node in model.graph.node:
        node.doc_string = ""
    del model.metadata_props[:]


def scale_by_constants(model: onnx.ModelProto, tensor: str, multiple: int) -> None:
    """Let each Resize enlarge by a constant scale, instead of asking the size of the map that it is added to.

    With sides that are multiples of ``multiple`` both are the same; but around a constant scale ONNX Runtime keeps its
    layout and melts sums and ReLUs into convolutions: 12 % less processor time for the light decoder. The scales are
    measured, not assumed: ``tensor`` is the input (N, 3, H, W), fed at two sizes. A Resize without one scale stays.
    """
    graph = model.graph
    resizes = [node for node in graph.node if node.op_type == "Resize"]
    if not resizes:
        return
    small, large = (_scales(model, tensor, (2 * multiple, side * multiple), resizes) for side in (3, 5))
    for node, scale, other in zip(resizes, small, large, strict=True):
        if scale != other or any(factor != round(factor) for factor in scale):
            continue
        name = "scale_" + "x".join(f"{factor:.0f}" for factor in scale)
        node.input[:] = [node.input[0], "", name]
        if name not in {constant.name for constant in graph.initializer}:
            graph.initializer.append(numpy_helper.from_array(np.array(scale, np.float32), name))
    _drop_idle(graph)


def _scales(
    model: onnx.ModelProto, tensor: str, size: tuple[int, int], resizes: list[onnx.NodeProto]
) -> list[tuple[float, ...]]:
    """Output shape over input shape of each Resize for a picture of ``size`` (height, width)."""
    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    names = [name for node in resizes for name in (node.input[0], node.output[0])]
    known = {value.name for value in probed.graph.output}
    probed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in dict.fromkeys(names) if name not in known)
    session = ort.InferenceSession(probed.SerializeToString(), providers=["CPUExecutionProvider"])
    maps = session.run(names, {tensor: np.zeros((1, 3, *size), np.float32)})
    pairs = zip(maps[::2], maps[1::2], strict=True)
    return [tuple(b / a for a, b in zip(x.shape, y.shape, strict=True)) for x, y in pairs]


def _drop_idle(graph: onnx.GraphProto) -> None:
    """Remove the nodes whose outputs nobody reads, and what is said of their shapes."""
    outputs = {value.name for value in graph.output}
    while True:
        used = outputs.union(*(node.input for node in graph.node))
        idle = [node for node in graph.node if not used.intersection(node.output)]
        if not idle:
            break
        for node in idle:
            graph.node.remove(node)
    left = outputs.union(*(node.output for node in graph.node))
    for value in [value for value in graph.value_info if value.name not in left]:
        graph.value_info.remove(value)


OPSET = 18


def traced(
    net: nn.Module, example_nchw: tuple[int, int, int, int], names: tuple[str, str], shapes: Any
) -> onnx.ModelProto:
    """The graph of ``net``, without traces of this machine. ``names``: of its input and its output.

    ``shapes``: which axes are free, as ``torch.export`` writes it; None = none. Raises whatever the exporter raises.
    """
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            net,
            (torch.zeros(example_nchw),),
            input_names=[names[0]],
            output_names=[names[1]],
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    forget_origin(model)
    return model


def free_sides(multiple: int, longest: int) -> tuple[Mapping[int, Any]]:
    """``shapes`` with free batch, height and width. A side is a number of multiples: maps of strides then fit."""
    batch = torch.export.Dim("batch", min=1, max=64)
    height, width = (torch.export.Dim(name, min=1, max=longest // multiple) * multiple for name in ("height", "width"))
    return ({0: batch, 2: height, 3: width},)


def session_of(model: onnx.ModelProto) -> ort.InferenceSession:
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def both(
    net: nn.Module, session: ort.InferenceSession, image: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What torch and what ONNX Runtime say of ``image`` (N, 3, H, W)."""
    with torch.inference_mode():
        ours = net(torch.from_numpy(image)).numpy()
    return ours, session.run(None, {session.get_inputs()[0].name: image})[0]


@contextmanager
def quiet() -> Iterator[None]:
    """Without the exporter's own notes: deprecations within torch, packages that it would also know, what it skips."""
    logs = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)
