"""LiteRT (the successor of TensorFlow Lite) behind ``Session``; extra ``tflite``."""

import threading
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Array, Tensor
from maskery.core.card import ModelCard
from maskery.core.errors import DeviceError, MissingExtra, ModelError
from maskery.inference.runtimes.base import expect_tensor, joined, log


class LiteRTSession:
    """One interpreter holds the tensors of one run, for good, hence the lock. Quantised outputs become real numbers."""

    def __init__(self, card: ModelCard, path: Path, device: str, threads: int) -> None:
        if device == "cuda":
            raise DeviceError("LiteRT runs .tflite files on the CPU only.", "Use --device cpu or auto.")
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise MissingExtra(f"{path.name} needs LiteRT.", "Run: pip install 'maskery[tflite]'") from error
        try:
            self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"LiteRT cannot load {path.name}: {error}", "Check the file.") from error
        if device == "auto":
            log.info("device auto: %s runs on cpu", card.name)
        self.device, self.batches = "cpu", False
        self.runtime = f"ai-edge-litert {version('ai-edge-litert')}"
        inputs = {t["name"]: t for t in self._interpreter.get_input_details()}
        outputs = {t["name"]: t for t in self._interpreter.get_output_details()}
        expect_tensor("input", card.input.tensor, list(inputs), path.name)
        names = [name for name in (card.output.tensor, card.output.joined) if name]
        for name in names:
            expect_tensor("output", name, list(outputs), path.name)
        self._input, self._outputs = inputs[card.input.tensor], [outputs[name] for name in names]
        self._lock = threading.Lock()

    def run(self, tensor: Tensor, keep: bool = True) -> Array:
        with self._lock:
            try:
                self._interpreter.set_tensor(self._input["index"], tensor)
                self._interpreter.invoke()
            except (ValueError, RuntimeError) as error:
                raise ModelError(
                    f"The model refused a {tensor.dtype} tensor of shape {tensor.shape}: {error}",
                    "Correct the input part of its card.",
                ) from error
            return joined([_real(self._interpreter.get_tensor(detail["index"]), detail) for detail in self._outputs])


def _real(values: Array, detail: dict[str, Any]) -> Array:
    scale, zero = detail["quantization"]
    if scale and values.dtype in (np.uint8, np.int8):
        real: NDArray[np.float32] = (values.astype(np.float32) - zero) * np.float32(scale)
        return real
    return values
