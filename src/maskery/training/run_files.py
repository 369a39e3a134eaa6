"""The folder of a run: what is in it, and one clear error where it cannot be written."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maskery.errors import TrainingError

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
