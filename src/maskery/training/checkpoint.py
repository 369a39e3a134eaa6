"""The folder of a run, and checkpoints that survive a kill at any moment: written beside, flushed, then renamed."""

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from maskery.core.errors import TrainingError

RECIPE_NAME, CHECKPOINT_NAME, LOG_NAME, CURVES_NAME = "recipe.toml", "checkpoint.pt", "log.jsonl", "curves.png"


def sheet_path(folder: Path, epoch: int) -> Path:
    return folder / f"validation-{epoch:03d}.png"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raises ``TrainingError`` where ``path`` cannot be written: a full disk, a folder without the right to write."""
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"{path} could not be written: {error.strerror or error}.",
            "Free some disk space or choose another --out; the last checkpoint is kept, and the same command resumes.",
        ) from error


def open_folder(folder: Path, recipe: Path) -> None:
    """Make the folder and keep a copy of the recipe there. Raises ``TrainingError``."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if recipe.resolve() != (folder / RECIPE_NAME).resolve():
            shutil.copyfile(recipe, folder / RECIPE_NAME)


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
