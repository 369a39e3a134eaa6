"""``maskery compare``."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maskery.cli.output import columns, data_options, json_text, names, overrides, say, score, write
from maskery.cli.progress import counting
from maskery.core.errors import BadRequest

if TYPE_CHECKING:
    from maskery.evaluation.measurement import Comparison

WEIGHED = 8  # pictures that each model is run on to see what memory it takes


@click.command()
@click.argument("a")
@click.argument("b")
@click.argument("pictures", nargs=-1, metavar="[PICTURE|FOLDER|GLOB]...")
@click.option("--data", type=click.Path(path_type=Path), metavar="FOLDER", help="Pictures of a data set, with masks.")
@data_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--sheet", type=click.Path(path_type=Path), metavar="FILE", help="Write a page with pictures.")
def compare(
    a: str,
    b: str,
    pictures: tuple[str, ...],
    data: Path | None,
    split: str,
    data_format: str,
    labels: str | None,
    pairs: tuple[str, ...],
    max_side: int | None,
    boundary: int | None,
    limit: int | None,
    as_json: bool,
    sheet: Path | None,
) -> None:
    """Run the models A and B on the same pictures: agreement, IoU of the two by class, time and memory.

    With --data also the quality of both and the difference by class. Times are medians of runs in turns; memory is the
    peak of a process of its own for each.
    """
    if bool(pictures) == bool(data):
        raise BadRequest("There must be pictures or --data, not both.", "maskery compare A B photos/, for example.")
    from maskery.cli.answer_files import expand
    from maskery.core.settings import load_settings
    from maskery.evaluation import comparison
    from maskery.evaluation.measurement import EvaluationOptions
    from maskery.evaluation.report.comparison_page import sheet as page_of
    from maskery.models.memory_use import measure_memory
    from maskery.models.segmenter import open_segmenter

    options = EvaluationOptions(
        format=data_format,
        labels=names(labels),
        overrides=overrides(pairs),
        max_side=max_side,
        boundary=boundary,
        limit=limit,
    )
    one, other = (open_segmenter(name, load_settings()).model for name in (a, b))
    with counting("comparing") as progress:
        if data:
            found = comparison.compare_on_data(one, other, data, split, options, progress)
        else:
            paths = [job.source for job in expand(pictures)][:limit]
            found = comparison.compare_pictures(one, other, paths, max_side, progress)
    weighed = found.pictures[:WEIGHED]
    found = replace(found, weights=(measure_memory(a, weighed), measure_memory(b, weighed)))
    say(found.matching.notes)
    if sheet:
        write(sheet, page_of(found, one, other, max_side))
    click.echo(json_text(found.plain()) if as_json else _text(found))


def _text(found: "Comparison") -> str:
    from maskery.evaluation.report.comparison_page import headline

    lines = [
        columns(
            [
                ("agreement by class", "IoU"),
                *((name, score(value)) for name, value in found.iou.items() if value is not None),
            ]
        )
    ]
    if found.qualities:
        head = ("beside the truth, IoU", "A", "B", "B - A")
        rows = [
            (name, score(x), score(y), "-" if x is None or y is None else f"{y - x:+.3f}")
            for name, x, y in found.differences()
            if (x, y) != (None, None)
        ]
        lines += ["", columns([head, *rows])]
    return "\n".join(
        [f"A {found.a.name}, B {found.b.name}", *lines, "", *(f"{name}: {value}" for name, value in headline(found))]
    )
