"""Weights stored as float16 (docs/adr/0006-float16-storage.md)."""

import math

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FROM_ELEMENTS = 256
QUANTISERS = ("QuantizeLinear", "DequantizeLinear")
LARGEST = float(np.finfo(np.float16).max)


def store_half(model: onnx.ModelProto) -> None:
    """Store the larger float32 constants as float16, each followed by a Cast that the runtime folds when it loads them.

    The scales of quantised tensors stay, since a runtime looks for them as they are, and so does what float16 cannot
    hold.
    """
    scales = {name for node in model.graph.node if node.op_type in QUANTISERS for name in node.input}
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or math.prod(tensor.dims) < FROM_ELEMENTS or tensor.name in scales:
            continue
        values = numpy_helper.to_array(tensor)
        if np.abs(values).max() > LARGEST:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(casts + nodes)
