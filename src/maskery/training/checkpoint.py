"""Checkpoints that survive a kill at any moment: written beside, flushed, then renamed."""

import os
from pathlib import Path
from typing import Any

import torch

from maskery.errors import TrainingError


def save(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` to ``path`` atomically. Raises ``TrainingError`` when the disk refuses."""
    partial = path.with_suffix(".partial")
    try:
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except (OSError, RuntimeError) as error:
        partial.unlink(missing_ok=True)
        raise TrainingError(f"The checkpoint {path} could not be written: {error}.", "Free some disk space.") from error


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint (tensors and plain data only). Raises ``TrainingError`` for a damaged file."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise TrainingError(f"{path} is not a usable checkpoint: {error}.", "Delete it to start anew.") from error
    return state
