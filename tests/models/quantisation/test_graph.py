from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from maskery.core.errors import ModelError
from maskery.models.quantisation.graph import first_layers, followers, last_layers, layers, plain_graph
from tests.models import tiny_nets
from tests.models.quantisation.squares import network, picture


def logits(model: onnx.ModelProto, height: int = 32, width: int = 48) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    image = picture(1)[0][:height, :width].astype(np.float32).transpose(2, 0, 1)[None]
    return session.run(None, {session.get_inputs()[0].name: image})[0]


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def test_constants_are_folded_normalisation_is_melted_and_nothing_else_changes(tmp_path: Path) -> None:
    path = network(tmp_path / "net.onnx", half=True)
    before = onnx.load(path)
    plain = plain_graph(path, tmp_path)
    assert "Cast" in operators(before)
    assert "BatchNormalization" in operators(before)
    assert not {"Cast", "BatchNormalization"} & set(operators(plain))
    assert "Resize" in operators(plain)
    for size in ((32, 48), (48, 64)):  # sizes are still free
        assert np.abs(logits(before, *size) - logits(plain, *size)).max() < 1e-3
    assert {entry.domain for entry in plain.opset_import} == {""}
    assert all(node.name for node in plain.graph.node)
    onnx.checker.check_model(plain)


def test_an_old_opset_is_made_newer(tmp_path: Path) -> None:
    plain = plain_graph(tiny_nets.nchw(tmp_path / "net.onnx", 3), tmp_path)
    old = onnx.version_converter.convert_version(plain, 11)
    onnx.save(old, tmp_path / "old.onnx")
    newer = plain_graph(tmp_path / "old.onnx", tmp_path)
    assert newer.opset_import[0].version >= 13
    assert np.array_equal(logits(plain), logits(newer))


def test_the_first_and_the_last_layers(tmp_path: Path) -> None:
    plain = plain_graph(network(tmp_path / "net.onnx"), tmp_path)
    assert layers(plain) == ["first", "middle", "final"]
    assert first_layers(plain) == ["first"]
    assert last_layers(plain) == ["final"]
    between = {node.name: node.op_type for node in plain.graph.node}
    assert [between[name] for name in followers(plain, ["first"])] == ["Relu"]
    assert sorted(between[name] for name in followers(plain, ["middle"])) == ["Add", "AveragePool", "Resize"]
    assert followers(plain, ["final"]) == []


def test_a_litert_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"not an ONNX file.*LiteRT"):
        plain_graph(tmp_path / "net.tflite", tmp_path)


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"\x08nothing")
    with pytest.raises(ModelError, match=r"net.onnx cannot be prepared for quantisation.*opset 13"):
        plain_graph(tmp_path / "net.onnx", tmp_path)


def test_a_quantised_file_is_refused(tmp_path: Path) -> None:
    nodes = [
        tiny_nets.node("Conv", "x weights", "c"),
        tiny_nets.node("DynamicQuantizeLinear", "c", "q scale zero"),
        tiny_nets.node("DequantizeLinear", "q scale zero", "y"),
    ]
    path = tiny_nets.save(tmp_path / "net.onnx", (1, 3, 32, 48), nodes)
    with pytest.raises(ModelError, match="quantised already"):
        plain_graph(path, tmp_path)
