"""The folder of a run -> the folder of a model: all of it or nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from maskery.core.card import CARD_NAME, ModelCard
from maskery.core.errors import ConfigError, TrainingError
from maskery.core.files import whole_folder, writing
from maskery.training import log
from maskery.training.checkpoint import CHECKPOINT_NAME, RECIPE_NAME
from maskery.training.loop import TrainingRun
from maskery.training.publish import check_publishable, publish
from maskery.training.recipe import load_recipe


def export_run(
    run_folder: Path, out: Path, data: Path | None, half: bool | None, force: bool, say: Callable[[str], None]
) -> ModelCard:
    """Export the averaged weights of the run's last checkpoint, measure them and write the card.

    ``data``: the root of the data sets, by default the one that the run used; ``half``: store float16, by default as
    the recipe says; ``force``: replace a model that is there. Raises ``ConfigError`` for a folder that is no run's or
    is taken, ``TrainingError`` when the run cannot be read or torch and ONNX Runtime disagree, ``OutputError`` when the
    disk refuses.
    """
    with model_folder(out, force) as partial:
        run = _open(run_folder, data, half, say)
        check_publishable(run)
        return publish(run, run_folder / RECIPE_NAME, partial)


def _open(folder: Path, data: Path | None, half: bool | None, say: Callable[[str], None]) -> TrainingRun:
    for name in (RECIPE_NAME, CHECKPOINT_NAME):
        if not (folder / name).is_file():
            raise ConfigError(
                f"{folder} is not the folder of a training run: it has no {name}.",
                "maskery train RECIPE --out FOLDER makes one, with a checkpoint after its first epoch.",
            )
    recipe = load_recipe(folder / RECIPE_NAME)
    if half is not None:
        recipe = msgspec.structs.replace(recipe, publish=msgspec.structs.replace(recipe.publish, half=half))
    run = TrainingRun(recipe, data or log.data_root(folder) or Path(recipe.data.root), folder, say, "cpu")
    try:
        run.resume()
    except (KeyError, TypeError, RuntimeError) as error:
        raise TrainingError(
            f"{run.checkpoint_path} does not hold this run's network: {error}.", "Was it written by maskery train?"
        ) from error
    say(f"weights after epoch {run.epoch} of {recipe.optimiser.total_epochs}")
    return run


@contextmanager
def model_folder(folder: Path, force: bool) -> Iterator[Path]:
    """An empty folder beside ``folder`` that takes its place at the end; after an error nothing is left of it.

    Raises ``ConfigError`` when ``folder`` holds something already (a model may be replaced by ``force``),
    ``OutputError`` when it cannot be written.
    """
    folder = folder.resolve()
    refuse_taken(folder, force)
    with writing(folder, "Free some disk space, or choose another -o."), whole_folder(folder) as partial:
        yield partial


def refuse_taken(folder: Path, force: bool) -> None:
    """Raises ``ConfigError`` where ``folder`` holds something that may not be replaced."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / CARD_NAME).is_file():
        raise ConfigError(f"{folder} holds something else than a model.", "Choose another -o.")
    if not force:
        raise ConfigError(f"{folder} holds a model already.", "Add --force to replace it, or choose another -o.")
