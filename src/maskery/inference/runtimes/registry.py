"""Which runtime opens which file. Runtimes are imported when they are needed."""

import os
from pathlib import Path

from maskery.core.card import ModelCard
from maskery.core.errors import ModelError
from maskery.inference.runtimes.base import Session


def open_session(card: ModelCard, path: Path, device: str = "cpu", threads: int = 0) -> Session:
    """Load ``path`` on ``device`` ("cpu", "cuda", "auto") with ``threads`` (0 = all usable cores).

    Raises ``DeviceError`` for a device that is not there, ``MissingExtra`` for a runtime that is not installed,
    ``ModelError`` for a file that the runtime refuses or that lacks the card's tensors.
    """
    count = threads or usable_cores()
    if path.suffix == ".onnx":
        from maskery.inference.runtimes.onnx import OnnxSession

        return OnnxSession(card, path, device, count)
    if path.suffix == ".tflite":
        from maskery.inference.runtimes.litert import LiteRTSession

        return LiteRTSession(card, path, device, count)
    raise ModelError(f"{path.name} is no model file that Maskery runs.", "Use an .onnx or a .tflite file.")


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
