"""``maskery folder``: every picture of a place to another place, resumable, over many workers and machines."""

import re
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maskery.cli.progress import ProgressDisplay
from maskery.core.errors import BadRequest

if TYPE_CHECKING:
    from maskery.inference.pipeline import Model
    from maskery.jobs.folder.listing import PictureListing, Shard
    from maskery.jobs.folder.result_lines import Line, ResultLines
    from maskery.jobs.folder.run import Answering, FolderRun, RunState

SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@click.command()
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@click.option("--model", default="everyday", show_default=True, help="Model name, or folder with a model.toml.")
@click.option("--format", "formats", multiple=True, metavar="NAME", help="What to write; repeatable.  [default: mask]")
@click.option("--option", "pairs", multiple=True, metavar="KEY=VALUE", help="Of the formats; repeatable.")
@click.option("--classes", default="", metavar="A,B", help="Keep only these classes.")
@click.option("--max-side", type=int, metavar="N", help="Longest side, in pixels, of what the model sees.")
@click.option("--tile", type=int, metavar="N", help="Cut into tiles of N pixels of the picture; 0 = never.")
@click.option("--workers", type=click.IntRange(1, 256), help="Pictures worked on at once.  [default: usable cores]")
@click.option("--shard", metavar="I/N", help="Only part I (from 0) of N, chosen by the names.")
@click.option("--since", metavar="WHEN", help="Only pictures modified since an ISO date or time, or 7d ago.")
@click.option("--watch", type=click.FloatRange(min=0.1), metavar="SECONDS", help="Go on looking for new pictures.")
@click.option("--collect", type=click.Choice(["coco", "parquet"]), help="One file of the whole folder at the end.")
@click.option("--device", type=click.Choice(["cpu", "cuda", "auto"]), help="Where to run.  [default: cpu]")
@click.option("--precision", type=click.Choice(["float", "int8"]), help="int8: the model's twin.  [default: float]")
def folder(
    source: str,
    target: str,
    model: str,
    formats: tuple[str, ...],
    pairs: tuple[str, ...],
    classes: str,
    max_side: int | None,
    tile: int | None,
    workers: int | None,
    shard: str | None,
    since: str | None,
    watch: float | None,
    collect: str | None,
    device: str | None,
    precision: str | None,
) -> None:
    """Segment every picture of IN (a folder, .zip, .tar, s3://...) into OUT, with a line of JSON each.

    OUT/results.jsonl has a line a picture, in the order of their names. The same command goes on where a stopped or
    killed one was; pictures that are done and unchanged are left out. Pictures that fail are listed and counted, and
    do not stop the others; the exit code is then 1. docs/folder.md
    """
    from maskery.core.settings import load_settings
    from maskery.inference.runtimes.registry import usable_cores
    from maskery.jobs.folder.answer_options import AnswerOptions
    from maskery.jobs.folder.answers import PictureAnswerer
    from maskery.jobs.folder.listing import PictureListing
    from maskery.jobs.folder.places import open_source, open_target
    from maskery.jobs.folder.run import FolderRun, expect_same_run, in_threads, opened

    options = AnswerOptions(
        model=model,
        formats=tuple(dict.fromkeys(formats or ("mask",))),
        options=_options(pairs),
        classes=tuple(name.strip() for name in classes.split(",") if name.strip()),
        max_side=max_side,
        tile=tile,
        coco=collect == "coco",
    )
    places = open_source(source, target), open_target(target)
    run = FolderRun(source=places[0], target=places[1], shard=_shard(shard), since=_since(since))
    _expect_collectable(collect, target, run.shard)
    # One thread a run and many runs at once: the same masks with any number of workers.
    settings = load_settings({"device": device, "precision": precision, "threads": 1})
    answerer = PictureAnswerer(settings, options, *places)
    expect_same_run(run.target, options, answerer)
    with PictureListing() as listing, ProgressDisplay() as display:
        lines = opened(run, listing)
        try:
            state = _until_done(run, listing, lines, in_threads(answerer, workers or usable_cores()), display, watch)
        finally:
            lines.close()
        if collect:
            _collect(collect, Path(target), lambda: _current(lines, listing), answerer.model)
    if state.failed or state.failed_before:
        sys.exit(1)


def _until_done(
    run: "FolderRun",
    listing: "PictureListing",
    lines: "ResultLines",
    answering: "Answering",
    display: ProgressDisplay,
    watch: float | None,
) -> "RunState":
    """One run, or with ``watch`` one after another until interrupted. The state has the failures of all."""
    from maskery.jobs.folder.run import run_once

    display.begin("segmenting")
    while True:
        state = run_once(run, listing, lines, answering, lambda now: display.update(_progress(now)))
        if state.done or not watch:
            _tell(state, display)
        if not watch:
            return state
        try:
            time.sleep(watch)
        except KeyboardInterrupt:
            return state


def _progress(state: "RunState") -> str:
    text = f"segmenting  {state.done}/{state.total}  {state.a_second:.1f} a second"
    if state.seconds_left is not None:
        text += f", {_span(state.seconds_left)} left"
    return f"{text}, {state.failed} failed" if state.failed else text


def _tell(state: "RunState", display: ProgressDisplay) -> None:
    for line in state.failures:
        display.say(f"failed: {line['picture']}: {line['error']} {line['cure']}")
    if state.failed > len(state.failures):
        display.say(f"... and {state.failed - len(state.failures)} more, in the lines of results with status failed")
    before = f", {state.before} were done before" if state.before else ""
    before += f" ({state.failed_before} of them failed)" if state.failed_before else ""
    display.say(f"{state.done - state.failed} of {state.total} pictures segmented, {state.failed} failed{before}")


def _span(seconds: float) -> str:
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes} min" if minutes < 90 else f"{hours} h"


def _options(pairs: tuple[str, ...]) -> dict[str, str]:
    options: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise BadRequest(f"--option is {pair!r}.", "Give KEY=VALUE, --option tolerance=1.5 say.")
        if name in options:
            raise BadRequest(f"--option {name} was given twice.", "Give it once.")
        options[name] = value
    return options


def _shard(text: str | None) -> "Shard":
    from maskery.jobs.folder.listing import Shard

    if text is None:
        return Shard()
    parts = re.fullmatch(r"(\d+)/(\d+)", text, re.ASCII)
    if not parts or int(parts[1]) >= int(parts[2]):
        raise BadRequest(f"--shard is {text!r}.", "Give I/N with I from 0 to N - 1: 0/4, 1/4, 2/4 and 3/4.")
    return Shard(int(parts[1]), int(parts[2]))


def _since(text: str | None) -> int:
    """Seconds since 1970. Times without a zone are this machine's."""
    if text is None:
        return 0
    if span := re.fullmatch(r"(\d+)([smhd])", text, re.ASCII):
        return int(time.time()) - int(span[1]) * SPANS[span[2]]
    try:
        return int(datetime.fromisoformat(text).astimezone(UTC).timestamp())
    except ValueError as error:
        raise BadRequest(f"--since is {text!r}.", "Give 2026-11-30, 2026-11-30T18:00, or 90m, 12h, 7d.") from error


def _expect_collectable(collect: str | None, target: str, shard: "Shard") -> None:
    if collect and shard.count > 1:
        raise BadRequest("--collect is for all pictures, --shard for a part.", "Leave one of them out.")
    if collect and ("://" in target or "::" in target):
        raise BadRequest("--collect writes a file of this machine.", "Give a local folder as OUT.")
    if collect == "parquet":
        from maskery.cli.output import expect_package

        expect_package("pyarrow", "--collect parquet", "parquet")


def _current(lines: "ResultLines", listing: "PictureListing") -> Iterable["Line"]:
    """The lines of pictures that are still there and were not changed."""
    from maskery.jobs.folder.result_lines import file_of

    return (line for line in lines if listing.is_current(file_of(line)))


def _collect(kind: str, folder: Path, lines: Callable[[], Iterable["Line"]], model: "Model") -> None:
    from maskery.jobs.folder.collect import write_coco, write_parquet

    if kind == "coco":
        click.echo(f"wrote {folder / 'coco.json'}: {write_coco(folder / 'coco.json', lines, model)} images", err=True)
    else:
        path = folder / "results.parquet"
        click.echo(f"wrote {path}: {write_parquet(path, lines, model)} rows", err=True)
