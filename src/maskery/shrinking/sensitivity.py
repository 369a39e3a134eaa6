"""Which layers suffer most from eight bits."""

from collections.abc import Callable, Sequence

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.quantization.calibrate import TensorsData

from maskery.engine.preprocess import Tensor
from maskery.shrinking.int8 import quantised

Outputs = list[NDArray[np.generic]]


def by_sensitivity(
    model: onnx.ModelProto,
    ranges: TensorsData,
    names: Sequence[str],
    input_name: str,
    tensors: Sequence[Tensor],
    progress: Callable[[int, int], None],
) -> list[str]:
    """``names`` of layers, the most sensitive first: each is quantised alone, and the error of the network's outputs
    over ``tensors`` is measured.
    """
    expected = _outputs(model, input_name, tensors)
    errors = {}
    for i, name in enumerate(names):
        outputs = _outputs(quantised(model, ranges, only=[name]), input_name, tensors)
        errors[name] = float(np.mean([error(a, b) for a, b in zip(expected, outputs, strict=True)]))
        progress(i + 1, len(names))
    return sorted(names, key=lambda name: -errors[name])


def error(expected: NDArray[np.generic], found: NDArray[np.generic]) -> float:
    """Of scores: the square of the difference, relative to that of the scores. Of class ids: the share that differs."""
    if expected.dtype.kind in "iub":
        return float(np.mean(expected != found))
    power = float(np.mean(np.square(expected, dtype=np.float64)))
    return float(np.mean(np.square(np.subtract(found, expected, dtype=np.float64)))) / max(power, 1e-12)


def _outputs(model: onnx.ModelProto, input_name: str, tensors: Sequence[Tensor]) -> Outputs:
    """The first output for each tensor."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [session.run(None, {input_name: tensor})[0] for tensor in tensors]
