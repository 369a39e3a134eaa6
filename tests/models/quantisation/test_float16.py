import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from maskery.models.quantisation.float16 import FROM_ELEMENTS, store_half


def stored(**constants: np.ndarray) -> tuple[dict[str, onnx.TensorProto], onnx.ModelProto]:
    """After ``store_half`` on a graph that has these constants."""
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    nodes = [helper.make_node("DequantizeLinear", ["q", "scale"], ["y"])] if "scale" in constants else []
    graph = helper.make_graph(nodes, "g", [], [helper.make_empty_tensor_value_info("y")], tensors)
    model = helper.make_model(graph)
    store_half(model)
    return {tensor.name: tensor for tensor in model.graph.initializer}, model


def test_large_float_constants_are_halved_and_widened_by_a_cast() -> None:
    values = np.linspace(-1, 1, FROM_ELEMENTS, dtype=np.float32)
    tensors, model = stored(w=values)
    assert tensors["w.half"].data_type == TensorProto.FLOAT16
    assert np.array_equal(numpy_helper.to_array(tensors["w.half"]), values.astype(np.float16))
    cast = model.graph.node[0]
    assert (cast.op_type, list(cast.input), list(cast.output)) == ("Cast", ["w.half"], ["w"])


def test_small_integer_and_too_large_constants_and_scales_stay() -> None:
    many = np.ones(FROM_ELEMENTS, np.float32)
    constants = {"few": many[1:], "ids": many.astype(np.int32), "large": 1e5 * many, "scale": many}
    tensors, model = stored(q=np.ones(FROM_ELEMENTS, np.int8), **constants)
    assert set(tensors) == {"q", *constants}
    assert [node.op_type for node in model.graph.node] == ["DequantizeLinear"]
