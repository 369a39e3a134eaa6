"""A loaded model behind one small protocol, whatever runs it."""

import logging
import os
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from maskery.engine.preprocess import Tensor
from maskery.errors import ModelError
from maskery.model_card import ModelCard

log = logging.getLogger("maskery")


class Session(Protocol):
    """Thread-safe. ``device`` is where it really runs; ``runtime`` names the library and its version."""

    device: str
    runtime: str

    def run(self, tensor: Tensor) -> NDArray[np.generic]:
        """The card's output tensor for the card's input tensor, both with batch axis, dtype as the model gives it."""
        ...


def open_session(card: ModelCard, path: Path, device: str = "cpu", threads: int = 0) -> Session:
    """Load ``path`` on ``device`` ("cpu", "cuda", "auto") with ``threads`` (0 = all usable cores).

    Raises ``DeviceError`` for a device that is not there, ``MissingExtra`` for a runtime that is not installed,
    ``ModelError`` for a file that the runtime refuses or that lacks the card's tensors.
    """
    count = threads or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else threads or os.cpu_count()
    if path.suffix == ".onnx":
        from maskery.engine.onnx_session import OnnxSession

        return OnnxSession(card, path, device, count or 1)
    if path.suffix == ".tflite":
        from maskery.engine.litert_session import LiteRTSession

        return LiteRTSession(card, path, device, count or 1)
    raise ModelError(f"{path.name} is no model file that Maskery runs.", "Use an .onnx or a .tflite file.")


def expect_tensor(kind: str, wanted: str, present: list[str], file: str) -> None:
    """Raises ``ModelError`` when the card names a tensor that the file does not have."""
    if wanted not in present:
        raise ModelError(
            f"{file} has no {kind} tensor {wanted!r}.", f"Its {kind} tensors: {', '.join(present)}. Correct the card."
        )
