"""A torch network -> ONNX graph, and how far ONNX Runtime's answers are from torch's."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import nn

from maskery.training.onnx_graph import forget_origin

OPSET = 18


def traced(
    net: nn.Module, example_nchw: tuple[int, int, int, int], names: tuple[str, str], shapes: Any
) -> onnx.ModelProto:
    """The graph of ``net``, without traces of this machine. ``names``: of its input and its output.

    ``shapes``: which axes are free, as ``torch.export`` writes it; None = none. Raises whatever the exporter raises.
    """
    with _quiet(), torch.no_grad():
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
def _quiet() -> Iterator[None]:
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
