"""LiteRT (the successor of TensorFlow Lite) behind ``Session``; extra ``tflite``."""

import threading
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from maskery.core.arrays import Array, Floats
from maskery.core.card import ModelCard, Network
from maskery.core.errors import DeviceError, MissingExtra, ModelError
from maskery.inference.runtimes.base import expect_tensors, log, refused


class LiteRTSession:
    """One interpreter holds the tensors of one run, for good, hence the lock. Quantised outputs become real numbers."""

    def __init__(self, card: ModelCard, network: Network, path: Path, device: str, threads: int) -> None:
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
        expect_tensors("input", card.inputs_of(network), list(inputs), path.name)
        expect_tensors("output", card.outputs_of(network), list(outputs), path.name)
        self._inputs, self._outputs = inputs, {name: outputs[name] for name in card.outputs_of(network)}
        self._lock = threading.Lock()

    def run(self, inputs: Mapping[str, Array], keep: bool = True) -> dict[str, Array]:
        with self._lock:
            try:
                for name, tensor in inputs.items():
                    self._interpreter.set_tensor(self._inputs[name]["index"], tensor)
                self._interpreter.invoke()
            except (ValueError, RuntimeError) as error:
                raise refused(inputs, error) from error
            return {
                name: _real(self._interpreter.get_tensor(detail["index"]), detail)
                for name, detail in self._outputs.items()
            }


def _real(values: Array, detail: dict[str, Any]) -> Array:
    scale, zero = detail["quantization"]
    if scale and values.dtype in (np.uint8, np.int8):
        real: Floats = (values.astype(np.float32) - zero) * np.float32(scale)
        return real
    return values
