from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from maskery.core.errors import ModelError
from maskery.models.quantisation.candidates import by_sensitivity, error
from maskery.models.quantisation.graph import plain_graph
from maskery.models.quantisation.int8 import METHODS, quantised, ranges
from tests.models.quantisation.squares import LOUD, network, picture

TENSORS = [picture(i)[0].astype(np.float32).transpose(2, 0, 1)[None] for i in range(8)]


def classes(model: onnx.ModelProto, tensor: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": tensor})[0].argmax(1)


@pytest.mark.parametrize("method", METHODS)
def test_the_class_map_is_nearly_the_same_at_every_size(
    tmp_path: Path, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = plain_graph(network(tmp_path / "net.onnx"), tmp_path)
    found = ranges(plain, "x", iter(TENSORS), method, tmp_path)  # type: ignore[arg-type]
    small = quantised(plain, found)
    assert capsys.readouterr().out == ""
    convolutions = [node for node in small.graph.node if node.op_type == "Conv"]
    widened = {name for node in small.graph.node if node.op_type == "DequantizeLinear" for name in node.output}
    assert len(convolutions) == 3
    assert all(node.input[0] in widened and node.input[1] in widened for node in convolutions)
    assert len(np.unique(classes(plain, TENSORS[0]))) == 2
    for tensor in (TENSORS[0], np.tile(TENSORS[1], (2, 1, 2, 1)), TENSORS[2][:, :, :16, :32]):
        before, after = classes(plain, tensor), classes(small, tensor)
        assert before.shape == after.shape
        assert np.mean(before != after) < 0.01


def test_layers_stay_in_float_as_asked(tmp_path: Path) -> None:
    plain = plain_graph(network(tmp_path / "net.onnx"), tmp_path)
    found = ranges(plain, "x", TENSORS, "minmax", tmp_path)
    for model, in_float in (
        (quantised(plain, found, keep=["final"]), {"classes"}),
        (quantised(plain, found, only=["final"]), {"depthwise"}),
    ):
        plain_weights = {tensor.name for tensor in model.graph.initializer}
        assert in_float <= plain_weights
        assert "classes" in in_float or "classes" not in plain_weights


def test_without_a_picture_there_are_no_ranges(tmp_path: Path) -> None:
    plain = plain_graph(network(tmp_path / "net.onnx"), tmp_path)
    with pytest.raises(ModelError, match="could not be measured"):
        ranges(plain, "x", [], "percentile", tmp_path)


def test_the_layer_that_reads_loud_and_quiet_channels_is_the_most_sensitive(tmp_path: Path) -> None:
    plain = plain_graph(network(tmp_path / "net.onnx", loud=LOUD), tmp_path)
    found = ranges(plain, "x", TENSORS, "minmax", tmp_path)
    steps: list[tuple[int, int]] = []
    names = ["first", "middle", "final"]
    ordered = by_sensitivity(plain, found, names, "x", TENSORS[:2], lambda *step: steps.append(step))
    assert sorted(ordered) == sorted(names)
    assert ordered[-1] == "first"  # reads pixels
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_errors_of_scores_are_relative_those_of_ids_a_share() -> None:
    scores = np.array([3.0, 4.0], np.float32)
    assert error(scores, scores) == 0
    assert error(scores, np.zeros(2, np.float32)) == pytest.approx(1)
    assert error(1000 * scores, np.zeros(2, np.float32)) == pytest.approx(1)
    assert error(np.zeros(2), np.ones(2)) > 1
    assert error(np.array([1, 2, 3, 4]), np.array([1, 2, 3, 5])) == 0.25
