"""Which runtime opens which file. Runtimes are imported when they are needed."""

import os
from pathlib import Path

from maskery.engine.session import Session
from maskery.errors import ModelError
from maskery.model_card import ModelCard


def open_session(card: ModelCard, path: Path, device: str = "cpu", threads: int = 0) -> Session:
    """Load ``path`` on ``device`` ("cpu", "cuda", "auto") with ``threads`` (0 = all usable cores).

    Raises ``DeviceError`` for a device that is not there, ``MissingExtra`` for a runtime that is not installed,
    ``ModelError`` for a file that the runtime refuses or that lacks the card's tensors.
    """
    count = threads or usable_cores()
    if path.suffix == ".onnx":
        from maskery.engine.onnx_session import OnnxSession

        return OnnxSession(card, path, device, count)
    if path.suffix == ".tflite":
        from maskery.engine.litert_session import LiteRTSession

        return LiteRTSession(card, path, device, count)
    raise ModelError(f"{path.name} is no model file that Maskery runs.", "Use an .onnx or a .tflite file.")


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
