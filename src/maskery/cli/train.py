"""``maskery train``."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maskery.cli.output import expect_package
from maskery.cli.progress import ProgressDisplay
from maskery.core.errors import BadRequest

if TYPE_CHECKING:
    from maskery.core.card import ModelCard
    from maskery.training.loop import TrainingRun


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--data", type=click.Path(path_type=Path), help="Folder of the data sets.  [default: the recipe's data.root]"
)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Folder of the run.  [default: runs/NAME]")
@click.option(
    "--device", default="auto", show_default=True, help="auto (CUDA where there is one), cpu, cuda or cuda:N."
)
@click.option("--threads", type=click.IntRange(min=1), help="Threads of one process.  [default: all usable cores]")
@click.option("--dry-run", is_flag=True, help="Make three steps, say what the run will cost, write nothing.")
@click.option("--no-export", is_flag=True, help="Only train; maskery export RUN makes the model.")
def train(
    recipe: Path, data: Path | None, out: Path | None, device: str, threads: int | None, dry_run: bool, no_export: bool
) -> None:
    """Train by RECIPE, resume where a former run stopped, then export, measure and write the model's card.

    The model is served from its folder: maskery serve --model runs/NAME/model/

    In several processes: torchrun --nproc-per-node 2 -m maskery train RECIPE
    """
    expect_package("torch", "Training", "train")
    import torch

    from maskery.training import distributed as processes
    from maskery.training.checkpoint import open_folder
    from maskery.training.detection.detection_recipe import is_detection
    from maskery.training.dry_run import estimate_cost
    from maskery.training.loop import TrainingRun
    from maskery.training.precision import choose_device
    from maskery.training.publish import check_publishable
    from maskery.training.recipe import load_recipe
    from maskery.training.run_export import refuse_taken

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if threads:
        torch.set_num_threads(threads)
    if is_detection(recipe):
        if dry_run or device not in ("auto", "cpu"):
            raise BadRequest(
                "A detector is trained on the CPU, without --dry-run.", "Leave --device and --dry-run out."
            )
        click.echo(_train_detector(recipe, data, out, no_export))
        return
    settings = load_recipe(recipe)
    folder = out or Path("runs") / settings.name
    with processes.joined(choose_device(device)):
        first, display = processes.rank() == 0, ProgressDisplay()
        say, update = (display.say, display.update) if first else (_silent, _silent)
        run = TrainingRun(settings, data or Path(settings.data.root), folder, say, device, update)
        check_publishable(run)
        refuse_taken(folder / "model", force=True)
        say(_facts(run))
        if dry_run:
            say(f"about {estimate_cost(run)}")
            return
        if first:
            open_folder(folder, recipe)
        _train(run)
        if not first:
            return
        if no_export:
            click.echo(folder)
            return
        say(f"{folder / 'model'}: {_score(_published(run, recipe))}")
        click.echo(folder / "model")


def _train_detector(recipe: Path, data: Path | None, out: Path | None, no_export: bool) -> Path:
    """Train, or go on, and make the model: the folder of the run or of the model."""
    from maskery.training.checkpoint import open_folder
    from maskery.training.detection.detection_export import publish_detector
    from maskery.training.detection.detection_recipe import load_detection_recipe
    from maskery.training.detection.detection_run import DetectionRun
    from maskery.training.run_export import model_folder, refuse_taken

    settings, say = load_detection_recipe(recipe), ProgressDisplay().say
    folder = out or Path("runs") / settings.name
    run = DetectionRun(settings, folder, say, data)
    refuse_taken(folder / "model", force=True)
    open_folder(folder, recipe)
    say(f"training on cpu, {len(run.lines)} pictures, {len(settings.data.labels)} classes, {run.total_steps} steps")
    if run.resume():
        say(f"resumed after step {run.steps}")
    run.train()
    if no_export:
        return folder
    with model_folder(folder / "model", force=True) as partial:
        publish_detector(run.recipe, run.result(), run.cache.encoder.map_channels, run.steps, partial)
    return folder / "model"


def _facts(run: "TrainingRun") -> str:
    processes = f", {run.processes} processes" if run.processes > 1 else ""
    return (
        f"training on {run.device}{' in mixed precision' if run.mixed else ''}, {run.threads} threads{processes}, "
        f"{run.job.pictures} pictures, {len(run.labels)} classes"
    )


def _train(run: "TrainingRun") -> None:
    total = run.recipe.optimiser.total_epochs
    if run.resume():
        run.say(f"resumed after epoch {run.epoch} of {total}")
    try:
        run.train()
    except KeyboardInterrupt:
        kept = f"epoch {run.epoch} of {total} is kept" if run.epoch else "no epoch was finished"
        run.say(f"stopped in epoch {run.epoch + 1}: {kept}; the same command goes on from there")
        raise


def _published(run: "TrainingRun", recipe: Path) -> "ModelCard":
    """The card of the model that the run became. What has been trained is kept whatever happens, and this is said."""
    from maskery.training.publish import publish
    from maskery.training.run_export import model_folder

    try:
        with model_folder(run.out / "model", force=True) as partial:
            return publish(run, recipe, partial)
    except BaseException:
        run.say(
            f"the trained weights are kept in {run.checkpoint_path}; maskery export {run.out} makes the model of them"
        )
        raise


def _score(card: "ModelCard") -> str:
    assert card.quality is not None
    if card.quality.prompts is not None:
        found = card.quality.prompts
        return f"IoU {found.iou_box:.4f} from a box, {found.iou_clicks[0]:.4f} from a click"
    if card.quality.top1 is not None:
        return f"{card.quality.top1:.4f} of the pictures right"
    return f"mIoU {card.quality.miou:.4f}, {card.quality.note}"


def _silent(text: str) -> None:
    """For all processes but the first."""
