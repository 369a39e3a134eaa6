"""``maskery quantise``."""

from pathlib import Path
from typing import Literal

import click
import msgspec

from maskery.cli.output import expect_package
from maskery.cli.progress import ProgressDisplay
from maskery.core.card_facts import Quantisation
from maskery.core.errors import BadRequest, LossAboveLimit


@click.command()
@click.argument("model")
@click.option("--calibrate", type=click.Path(path_type=Path), metavar="DATA", help="Data set or folder of pictures.")
@click.option("--calibrate-split", default="train", show_default=True, help="Split of it.")
@click.option("--pictures", default=100, show_default=True, help="How many to calibrate on.")
@click.option(
    "--calibration",
    type=click.Choice(["percentile", "minmax", "entropy"]),
    default="percentile",
    show_default=True,
    help="How ranges are chosen.",
)
@click.option(
    "--validate",
    type=click.Path(path_type=Path),
    metavar="DATA",
    help="Data set that decides.  [default: that of --calibrate]",
)
@click.option("--split", default="val", show_default=True, help="Split of it.")
@click.option("--format", "data_format", default="auto", show_default=True, help="Form of both data sets.")
@click.option("--max-loss", default=0.01, show_default=True, help="Of mIoU (top-1 of a classifier), 0..1.")
@click.option("--to", type=click.Choice(["int8", "fp16"]), default="int8", show_default=True)
@click.option(
    "--keep-float",
    multiple=True,
    metavar="LAYER",
    help="first, last, none, auto, or a node or operator by name; may be repeated.  [default: auto]",
)
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="FOLDER", help="[default: ./NAME]")
@click.option("--name", help="Of the new model.  [default: MODEL-int8]")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object, also where it is refused.")
def quantise(
    model: str,
    calibrate: Path | None,
    calibrate_split: str,
    pictures: int,
    calibration: Literal["percentile", "minmax", "entropy"],
    validate: Path | None,
    split: str,
    data_format: str,
    max_loss: float,
    to: Literal["int8", "fp16"],
    keep_float: tuple[str, ...],
    out: Path | None,
    name: str | None,
    as_json: bool,
) -> None:
    """Make MODEL smaller and faster, measure what that costs, and write it only if it is within the limit.

    The new model is served from its folder: maskery serve --model FOLDER/. Exit code 6: the loss is above the limit.
    """
    expect_package("onnx", "Quantising", "quantise")
    from maskery.core.progress import Reporter
    from maskery.core.settings import load_settings
    from maskery.models.quantisation.quantise_request import AUTO, QuantiseRequest
    from maskery.models.quantisation.search import quantise as make
    from maskery.models.store import Store

    settings = load_settings({"precision": "float"})
    located = Store(settings).locate(model)
    data = validate or calibrate
    if data is None:
        raise BadRequest("Without pictures nothing can be measured.", "Add --calibrate DATA, or --validate DATA.")
    named = name or f"{located.card.name}-{to}"
    order = QuantiseRequest(
        folder=out or Path(named),
        name=named,
        validate=data,
        split=split,
        calibrate=calibrate,
        calibrate_split=calibrate_split,
        format=data_format,
        to=to,
        calibration=calibration,
        pictures=pictures,
        max_loss=max_loss,
        keep_float=keep_float or (AUTO,),
    )
    try:
        with ProgressDisplay() as display:
            card = make(located, order, settings.threads, Reporter(display.say, display.count))
    except LossAboveLimit as refused:
        if as_json:
            click.echo(msgspec.json.encode({"published": None, **refused.report}))
        raise
    assert card.quantisation is not None
    if as_json:
        click.echo(msgspec.json.encode({"published": str(order.folder), **msgspec.to_builtins(card.quantisation)}))
        return
    click.echo(in_words(card.quantisation), err=True)
    click.echo(order.folder)


def in_words(report: Quantisation) -> str:
    """The report as a few lines."""
    return "\n".join((
        f"{report.measure} {report.before:.4f} -> {report.after:.4f}, loss {report.loss:.4f}, limit {report.limit:g}",
        f"{report.speed_ratio:.2f} times as fast: {report.ms_before:.1f} -> {report.ms_after:.1f} ms a run here",
        f"{report.bytes_before / 1e6:.2f} -> {report.bytes_after / 1e6:.2f} MB",
    ))  # fmt: skip
