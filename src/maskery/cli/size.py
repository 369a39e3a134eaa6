"""``maskery size``."""

from pathlib import Path

import click

from maskery.cli.output import json_text


@click.command()
@click.option("--model", default="everyday", show_default=True, help="Model to measure.")
@click.option("--precision", type=click.Choice(["float", "int8"]), default="float", show_default=True)
@click.option(
    "--photos",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Your pictures, sent in turn.  [default: the four samples]",
)
@click.option("--load", type=click.FloatRange(min=0.001), default=1.0, show_default=True, help="Pictures a second.")
@click.option("--target-p99", type=click.FloatRange(min=1), metavar="MS", help="Time that 99 of 100 answers may take.")
@click.option("--seconds", type=click.FloatRange(min=0.1), default=5.0, show_default=True, help="Of each level.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, which package --size reads.")
def size(
    model: str,
    precision: str,
    photos: Path | None,
    load: float,
    target_p99: float | None,
    seconds: float,
    as_json: bool,
) -> None:
    """Measure a server of this installation here: p50, p99, memory, cold start; say what to ask for.

    Four levels of callers at once, on this machine: let nothing else run. Exit code 1: the target is not met.
    """
    from maskery.packaging.size import SizeQuestion, measure_size, sizing_text

    sizing = measure_size(SizeQuestion(model, precision, photos, load, target_p99, seconds))
    click.echo(json_text(sizing) if as_json else sizing_text(sizing))
    if not sizing.advice.meets:
        click.get_current_context().exit(1)
