"""Float32 graph -> int8 graph: ranges from pictures, then a pair of QuantizeLinear and DequantizeLinear at each tensor.

Activations are uint8, one scale a tensor; weights int8, one scale a channel: what ONNX Runtime is quick at on a CPU
(docs/adr/0015-int8.md).
"""

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorsData, create_calibrator
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

from maskery.core.arrays import Tensor
from maskery.core.errors import ModelError
from maskery.models.quantisation.quantise_request import Calibration

METHODS: dict[Calibration, tuple[CalibrationMethod, dict[str, float]]] = {
    "percentile": (CalibrationMethod.Percentile, {"percentile": 99.99}),
    "minmax": (CalibrationMethod.MinMax, {}),
    "entropy": (CalibrationMethod.Entropy, {}),
}
OPERATORS = sorted({*QDQRegistry, *QLinearOpsRegistry})


class _OnePicture:
    """The reader that ONNX Runtime's calibrator asks: one tensor, then the end."""

    def __init__(self, name: str, tensor: Tensor) -> None:
        self._left = [{name: tensor}]

    def get_next(self) -> dict[str, Tensor] | None:
        return self._left.pop() if self._left else None


def ranges(
    model: onnx.ModelProto, input_name: str, tensors: Iterable[Tensor], method: Calibration, scratch: Path
) -> TensorsData:
    """The range of every activation over ``tensors``: its extremes ("minmax"), all but one value in ten thousand at
    either end ("percentile"), or the cut that loses the least information ("entropy").

    One picture is looked at a time, and only extremes or histograms of it are kept. Raises ``ModelError``.
    """
    plain = scratch / "ranges.onnx"
    onnx.save(model, plain)
    kind, options = METHODS[method]
    with contextlib.redirect_stdout(None):  # the calibrators print
        try:
            calibrator = create_calibrator(
                plain, OPERATORS, str(scratch / "watched.onnx"), calibrate_method=kind, extra_options=options
            )
            for tensor in tensors:
                calibrator.collect_data(_OnePicture(input_name, tensor))
            return calibrator.compute_data()
        except (ValueError, RuntimeError, AssertionError) as error:
            raise ModelError(
                f"The ranges of the model's values could not be measured: {error}.", "Try another --calibration."
            ) from error


def quantised(
    model: onnx.ModelProto, ranges: TensorsData, keep: Iterable[str] = (), only: Sequence[str] = ()
) -> onnx.ModelProto:
    """A copy of ``model`` in int8 but for the nodes ``keep``; with ``only``, in float but for those nodes."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    options: dict[str, Any] = {}
    quantizer = QDQQuantizer(
        copy, True, False, QuantType.QInt8, QuantType.QUInt8, ranges, list(only), sorted(keep), OPERATORS, options
    )
    quantizer.quantize_model()
    result: onnx.ModelProto = quantizer.model.model
    return result
