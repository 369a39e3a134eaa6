"""Checkpoints that survive a kill at any moment: written beside, flushed, then renamed."""

import io
import os
from pathlib import Path
from typing import Any

import torch

from maskery.errors import TrainingError
from maskery.training.run_files import writing


def save(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` to ``path`` atomically. Raises ``TrainingError`` when the disk refuses; the old file stays."""
    partial = path.with_suffix(".partial")
    try:
        with writing(path), partial.open("wb") as file:
            _write(state, file)
            file.flush()
            os.fsync(file.fileno())
        with writing(path):
            partial.replace(path)
            _sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _write(state: dict[str, Any], file: io.BufferedWriter) -> None:
    try:
        torch.save(state, file)
    except RuntimeError as error:  # torch's writer, after the disk has refused a part
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise


def _sync_folder(folder: Path) -> None:
    """Let the new name survive a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint (tensors and plain data only). Raises ``TrainingError`` for a damaged file."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise TrainingError(f"{path} is not a usable checkpoint: {error}.", "Delete it to start anew.") from error
    return state


class _Counter(io.BytesIO):
    """Takes bytes and forgets all but their number."""

    bytes = 0

    def write(self, data: Any, /) -> int:
        size = memoryview(data).nbytes
        self.bytes += size
        return size


def size(state: dict[str, Any]) -> int:
    """The bytes of a file of ``state``."""
    counter = _Counter()
    torch.save(state, counter)
    return counter.bytes
