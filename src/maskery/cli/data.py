"""``maskery data``: what is in a data set, and what is wrong with it."""

import sys
from pathlib import Path

import click

from maskery.cli.output import json_text, names, write
from maskery.cli.progress import counting


@click.group()
def data() -> None:
    """Data sets: check one before training or measuring on it."""


@data.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option("--format", "data_format", default="auto", show_default=True, help="The format's name, or auto.")
@click.option("--labels", help="A label set (voc, cityscapes ...), a file with a name a line, or names with commas.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with every finding.")
@click.option("--sheet", type=click.Path(path_type=Path, dir_okay=False), help="Write pictures with masks as HTML.")
@click.option(
    "--pictures", type=click.IntRange(1, 1000), default=24, show_default=True, help="Of each split on the sheet."
)
def check(path: Path, data_format: str, labels: str | None, as_json: bool, sheet: Path | None, pictures: int) -> None:
    """Look at every picture and mask of PATH: counts, sizes, classes, damaged files, leaks between splits.

    Exit code 1 where there are problems, 0 where there are none or only warnings.
    """
    from maskery.core.picture.decode import trust_own_pixel_limit
    from maskery.datasets.check import check as check_data
    from maskery.datasets.report import text
    from maskery.datasets.sheet import ContactSheet

    trust_own_pixel_limit()
    viewer = ContactSheet(pictures) if sheet else None
    with counting(f"checking {path.name}") as progress:
        report = check_data(path, data_format, names(labels), viewer, progress)
    click.echo(json_text(report) if as_json else text(report))
    if sheet and viewer:
        write(sheet, viewer.html(report))
    if not report.fine:
        sys.exit(1)
