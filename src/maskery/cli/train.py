"""``maskery train``."""

import signal
from importlib.util import find_spec
from pathlib import Path

import click

from maskery.errors import MissingExtra


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--data", type=click.Path(path_type=Path), help="Folder of the data sets.  [default: the recipe's data.root]"
)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Folder of the run.  [default: runs/NAME]")
@click.option(
    "--device", default="auto", show_default=True, help="auto (CUDA where there is one), cpu, cuda or cuda:N."
)
@click.option("--export-only", is_flag=True, help="Export and measure the last checkpoint; train nothing.")
def train(recipe: Path, data: Path | None, out: Path | None, device: str, export_only: bool) -> None:
    """Train by RECIPE, resume where a former run stopped, then export, measure and write the model's card.

    The model is served from its folder: maskery serve --model runs/NAME/model/
    """
    if find_spec("torch") is None:
        raise MissingExtra("Training needs PyTorch.", "Run: pip install 'maskery[train]'")
    from maskery.training.loop import Run
    from maskery.training.publish import publish
    from maskery.training.recipe import load_recipe

    def say(text: str) -> None:
        click.echo(text, err=True)

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = load_recipe(recipe)
    folder = out or Path("runs") / settings.name
    run = Run(settings, data or Path(settings.data.root), folder, say, device)
    say(f"training on {run.device}{' in mixed precision' if run.mixed else ''}")
    if run.resume():
        say(f"resumed after epoch {run.epoch} of {settings.optimiser.total_epochs}")
    if not export_only:
        run.train()
    card = publish(run, recipe, folder / "model")
    assert card.quality is not None
    say(f"{folder / 'model'}: mIoU {card.quality.miou}, {card.quality.note}")
    click.echo(folder / "model")
