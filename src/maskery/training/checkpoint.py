"""The folder of a run, and checkpoints that survive a kill at any moment: written beside, flushed, then renamed."""

import io
import shutil
from pathlib import Path
from typing import Any, BinaryIO

import torch

from maskery.core.errors import TrainingError
from maskery.core.files import whole_file, writing

RECIPE_NAME, CHECKPOINT_NAME, LOG_NAME, CURVES_NAME = "recipe.toml", "checkpoint.pt", "log.jsonl", "curves.png"
CURE = "Free some disk space or choose another --out; the last checkpoint is kept, and the same command resumes."


def sheet_path(folder: Path, epoch: int) -> Path:
    return folder / f"validation-{epoch:03d}.png"


def open_folder(folder: Path, recipe: Path) -> None:
    """Make the folder and keep a copy of the recipe there. Raises ``OutputError``."""
    with writing(folder, CURE):
        folder.mkdir(parents=True, exist_ok=True)
        if recipe.resolve() != (folder / RECIPE_NAME).resolve():
            shutil.copyfile(recipe, folder / RECIPE_NAME)


def save(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` to ``path`` as a whole. Raises ``OutputError`` when the disk refuses; the old file stays."""
    with writing(path, CURE), whole_file(path) as file:
        _write(state, file)


def _write(state: dict[str, Any], file: BinaryIO) -> None:
    try:
        torch.save(state, file)
    except RuntimeError as error:  # torch's writer, after the disk has refused a part
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise


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
