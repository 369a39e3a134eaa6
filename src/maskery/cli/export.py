"""``maskery export``."""

from pathlib import Path

import click

from maskery.cli.output import expect_package


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Folder of the model.  [default: RUN/model]")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the data sets.  [default: those of the run]")
@click.option("--half/--no-half", default=None, help="Store the weights as float16.  [default: as the recipe says]")
@click.option("--force", is_flag=True, help="Replace the model that is there already.")
def export(run: Path, out: Path | None, data: Path | None, half: bool | None, force: bool) -> None:
    """Turn RUN, the folder of a training run, into the folder of a model: ONNX file, card, recipe.

    The averaged weights of the last checkpoint are exported, compared with torch (the card keeps the differences) and
    measured through the pipeline that serves. Serve the model by: maskery serve --model RUN/model/
    """
    expect_package("torch", "An export", "train")
    from maskery.training.run_export import export_run

    def say(text: str) -> None:
        click.echo(text, err=True)

    folder = out or run / "model"
    card = export_run(run, folder, data, half, force, say)
    say(f"torch and ONNX Runtime differ by {card.training['parity_torch_onnx']:.1g} at most, {card.bytes} bytes")
    click.echo(folder)
