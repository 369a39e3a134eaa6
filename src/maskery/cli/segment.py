"""``maskery segment``: pictures in, masks out."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maskery.cli.answer_files import LINES, STDIN, STDOUT, FileJob, expand, is_folder, without_answers, writer
from maskery.cli.progress import counting
from maskery.core.errors import BadRequest, MaskeryError
from maskery.core.files import shown_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from maskery.core.picture.levels import LevelOptions
    from maskery.core.prompt import Prompt
    from maskery.core.settings import Settings
    from maskery.encode.options import Options


@dataclass(frozen=True, kw_only=True)
class AskedRun:
    """What the command line asks of each picture.

    Attributes:
        model: Its name; None = the default.
        task: In the place of a name: the first model that has this task.
        format: What to write.
        classes: Keep only these.
        max_side: Longest side, in pixels, of what the model sees.
        tile: Side of the tiles in pixels of the picture; 0 = none.
        score: The least score of objects.
        max_objects: At most so many.
        prompt: What is pointed at, for a model that is asked so.
        candidates: Masks of it at most.
    """

    model: str | None
    task: str | None
    format: str
    classes: tuple[str, ...]
    max_side: int | None
    tile: int | None
    score: float | None
    max_objects: int | None
    prompt: "Prompt | None"
    candidates: int


Answer = Callable[["Path | NDArray[np.uint8]", "Options", Callable[[str], None]], bytes]
"""(file, ``STDIN`` or pixels, options of the format, what is called with notes) -> the bytes of the answer."""


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="PATH|FOLDER|GLOB|- ...")
@click.option("--model", help="Model name, or folder with a model.toml.  [default: everyday]")
@click.option("--task", metavar="NAME", help="The first model here of this task: semantic, detection, instance ...")
@click.option("--format", metavar="NAME", help="What to write: mask, overlay, coco ...  [default: by OUT, else mask]")
@click.option("--option", "pairs", multiple=True, metavar="KEY=VALUE", help="Of the format; may be repeated.")
@click.option("-o", "--output", metavar="OUT", help="File, folder for many, or - for stdout.")
@click.option("--classes", default="", metavar="A,B", help="Keep only these classes.")
@click.option("--max-side", type=int, metavar="N", help="Longest side, in pixels, of what the model sees.")
@click.option("--tile", type=int, metavar="N", help="Cut into tiles of N pixels of the picture; 0 = never.")
@click.option("--score", type=float, metavar="S", help="Of single objects, those with a score of S or more, 0 to 1.")
@click.option("--max-objects", type=int, metavar="N", help="At most N single objects, the surest.")
@click.option("--point", "points", multiple=True, metavar="X,Y[,-]", help="On the object (- = not); may be repeated.")
@click.option("--box", metavar="X1,Y1,X2,Y2", help="Around the object, in pixels of the upright picture.")
@click.option("--candidates", type=int, metavar="N", help="With --point or --box: up to 3 masks, best first.")
@click.option("--bands", metavar="R,G,B", help="Of a TIFF of many bands: three of them, from 1 on, or one.")
@click.option("--bits", type=int, metavar="N", help="Bits that values really have, 12 in a file of 16 say.")
@click.option("--stretch", is_flag=True, help="Make the middle 96 % of each band's values 0 to 255.")
@click.option("--device", type=click.Choice(["cpu", "cuda", "auto"]), help="Where to run.  [default: cpu]")
@click.option("--precision", type=click.Choice(["float", "int8"]), help="int8: the model's twin.  [default: float]")
@click.option("--server", metavar="URL", help="Let this server do the work: http://host:port.")
@click.option("--key", metavar="KEY", help="API key for --server.")
def segment(
    inputs: tuple[str, ...],
    model: str | None,
    task: str | None,
    format: str | None,
    pairs: tuple[str, ...],
    output: str | None,
    classes: str,
    max_side: int | None,
    tile: int | None,
    score: float | None,
    max_objects: int | None,
    points: tuple[str, ...],
    box: str | None,
    candidates: int | None,
    bands: str | None,
    bits: int | None,
    stretch: bool,
    device: str | None,
    precision: str | None,
    server: str | None,
    key: str | None,
) -> None:
    """Segment pictures; the mask has the pixels of the upright picture.

    One picture without -o goes to stdout (at a terminal: to NAME-mask.png here). Several need -o FOLDER, or --format
    json, which prints one line a picture. A picture that fails does not stop the others; all failures are listed last.
    With --point and --box the model prompt cuts out what they point at (docs/prompts.md). With --server the answers are
    the same; the model is one of the server's, its first by default.
    docs/formats.md has all formats with their options.
    """
    jobs = without_answers(expand(inputs), Path(output) if output else None)
    several = len(jobs) > 1 or Path(inputs[0]).is_dir()
    chosen = format or _format_of(output, several)
    write = writer(output, chosen, several)
    options = _options(pairs, chosen)

    from maskery.core.picture import decode
    from maskery.encode.options import Options
    from maskery.encode.registry import named
    from maskery.inference.prompts.prompt_input import check_candidates

    decode.trust_own_pixel_limit()
    wanted = tuple(name.strip() for name in classes.split(",") if name.strip())
    prompt = _prompt(points, box)
    if candidates is not None and prompt is None:
        raise BadRequest("--candidates is for masks of what is pointed at.", "Add --point X,Y or --box X1,Y1,X2,Y2.")
    if task and (model or prompt):
        other = "--model" if model else "--point and --box"
        raise BadRequest(f"--task and {other} both choose a model.", "Give one: a model has its own task.")
    asked = AskedRun(
        task=task,
        model=model or ("prompt" if prompt else None),
        format=chosen,
        classes=wanted,
        max_side=max_side,
        tile=tile,
        score=score,
        max_objects=max_objects,
        prompt=prompt,
        candidates=1 if candidates is None else check_candidates(candidates),
    )
    if server:
        _refuse_local({"device": device, "precision": precision})
        answer = _remote(asked, server, key)
    elif key:
        raise BadRequest("--key is for a server.", "Add --server URL, or leave --key out.")
    else:
        answer = _local(asked, device, precision)

    levels = _levels(bands, bits, stretch)

    def own(job: FileJob) -> Options:
        """The options for one picture: formats that name it get its name."""
        unnamed = "file_name" in named(chosen).options and "file_name" not in options.given and job.source != STDIN
        return replace(options, file_name=shown_name(job.source.name)) if unnamed else options

    def work(job: FileJob) -> None:
        data = answer(_leveled(job.source, levels), own(job), partial(_tell, job))
        write(job, _named(data, job.source) if several and chosen in LINES else data)

    if several:
        _run_many(jobs, work)
    else:
        work(jobs[0])


def _local(asked: AskedRun, device: str | None, precision: str | None) -> Answer:
    """Answers of a model in this process. Raises as ``open_segmenter`` does."""
    from maskery.core.settings import load_settings
    from maskery.models.segmenter import open_segmenter

    settings = load_settings({"device": device, "precision": precision})
    segmenter = open_segmenter(_model_of_task(asked.task, settings) or asked.model or settings.model[0], settings)
    if asked.task:
        click.echo(f"--task {asked.task}: the model is {segmenter.card.name}", err=True)

    def answer(path: "Path | NDArray[np.uint8]", options: "Options", tell: Callable[[str], None]) -> bytes:
        return segmenter.answer(
            sys.stdin.buffer.read(settings.max_bytes + 1) if _is_stdin(path) else path,
            asked.format,
            classes=asked.classes,
            max_side=asked.max_side,
            tile=asked.tile,
            score=asked.score,
            max_objects=asked.max_objects,
            prompt=asked.prompt,
            candidates=asked.candidates,
            options=options,
            tell=tell,
        )

    return answer


def _prompt(points: tuple[str, ...], box: str | None) -> "Prompt | None":
    """What the command line points at; None where it does not. Raises ``BadRequest``."""
    if not points and box is None:
        return None
    from maskery.core.prompt import Prompt
    from maskery.inference.prompts.prompt_input import expect_few, text_box, text_click

    expect_few(len(points))
    return Prompt(tuple(text_click(text) for text in points), None if box is None else text_box(box))


def _model_of_task(task: str | None, settings: "Settings") -> str | None:
    """The first model here of ``task``, those of the settings before the others. Raises as ``model_of_task`` does."""
    if task is None:
        return None
    from maskery.inference.tasks.registry import model_of_task
    from maskery.models.store import Store

    here = [entry.card for entry in Store(settings).entries() if entry.state != "available"]
    return model_of_task(task, sorted(here, key=lambda card: card.name not in settings.model)).name


def _remote(asked: AskedRun, server: str, key: str | None) -> Answer:
    """Answers of a server. Raises ``MissingExtra``, ``BadRequest``."""
    from maskery.integrations.client import Client, SegmentQuery
    from maskery.integrations.prompt_query import PromptQuery

    limits = (asked.classes, asked.max_side, asked.tile, asked.score, asked.max_objects)
    if asked.prompt and any(value not in (None, ()) for value in limits):
        cure = "Leave --classes, --max-side, --tile, --score and --max-objects out."
        raise BadRequest("With --point and --box the picture is looked at as a whole.", cure)
    client = Client(server, key)
    click.get_current_context().call_on_close(client.close)

    def answer(path: "Path | NDArray[np.uint8]", options: "Options", tell: Callable[[str], None]) -> bytes:
        query: SegmentQuery | PromptQuery
        if asked.prompt:
            query = PromptQuery(prompt=asked.prompt, candidates=asked.candidates, model=asked.model, options=options)
        else:
            query = SegmentQuery(
                model=asked.model,
                task=asked.task,
                classes=asked.classes,
                max_side=asked.max_side,
                tile=asked.tile,
                score=asked.score,
                max_objects=asked.max_objects,
                options=options,
            )
        return client.answer(sys.stdin.buffer.read() if _is_stdin(path) else path, asked.format, query, tell)

    return answer


def _is_stdin(source: "Path | NDArray[np.uint8]") -> bool:
    return isinstance(source, Path) and source == STDIN


def _levels(bands: str | None, bits: int | None, stretch: bool) -> "LevelOptions":
    """Raises ``BadRequest``."""
    from maskery.core.picture.levels import LevelOptions

    parts = [part.strip() for part in (bands or "").split(",") if part.strip()]
    if not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
        raise BadRequest(f"--bands is {bands!r}.", "Give one or three numbers from 1 on, 4,3,2 say.")
    return LevelOptions(tuple(map(int, parts)), bits or 0, stretch)


def _leveled(path: Path, levels: "LevelOptions") -> "Path | NDArray[np.uint8]":
    """The file itself, or where levels are asked for its pixels by them."""
    if not levels.given:
        return path
    from maskery.core.picture.levels import read_levels

    return read_levels(sys.stdin.buffer.read() if path == STDIN else path, levels)


def _refuse_local(given: Mapping[str, str | None]) -> None:
    """Raises ``BadRequest`` for an option that says how a model runs in this process."""
    for name, value in given.items():
        if value is not None:
            cure = f"Leave it out, or start the server with --{name} {value}."
            raise BadRequest(f"--{name} is for a model in this process; with --server the server decides it.", cure)


def _tell(job: FileJob, note: str) -> None:
    click.echo(f"{job.source}: {note}", err=True)


def _named(json: bytes, source: Path) -> bytes:
    """The JSON object with its picture's path as first key."""
    import msgspec

    return b'{"file":' + msgspec.json.encode(shown_name(str(source))) + b"," + json[1:]


def _format_of(output: str | None, several: bool) -> str:
    if output is None or Path(output) == STDOUT or not Path(output).suffix or is_folder(output, several):
        return "mask"
    from maskery.encode.registry import for_suffix

    return for_suffix(Path(output).suffix)


def _options(pairs: tuple[str, ...], format: str) -> "Options":
    """KEY=VALUE pairs -> the format's options. Raises ``BadRequest``."""
    from maskery.encode.registry import parse_options

    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise BadRequest(f"--option is {pair!r}.", "Give KEY=VALUE, --option tolerance=1.5 say.")
        if name in found:
            raise BadRequest(f"--option {name} was given twice.", "Give it once.")
        found[name] = value
    return parse_options(found, format)


def _run_many(jobs: list[FileJob], work: Callable[[FileJob], None]) -> None:
    """Every job, whatever happens to the others. Exits with 1 when some failed, after listing them."""
    failures: list[tuple[Path, MaskeryError]] = []
    with counting("segmenting") as progress:
        for done, job in enumerate(jobs, 1):
            try:
                work(job)
            except MaskeryError as error:
                failures.append((job.source, error))
            progress(done, len(jobs))
    for path, failure in failures:
        click.echo(f"failed: {path}: {failure}", err=True)
    click.echo(f"{len(jobs) - len(failures)} of {len(jobs)} pictures segmented", err=True)
    if failures:
        sys.exit(1)
