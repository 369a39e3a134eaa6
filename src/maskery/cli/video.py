"""``maskery video``: a video in, a video with what was found in it out, and tables, counts and a report."""

import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from maskery.cli.output import json_text
from maskery.cli.progress import ProgressDisplay
from maskery.core.errors import BadRequest

if TYPE_CHECKING:
    from maskery.core.settings import Settings
    from maskery.inference.video.sources import VideoInput
    from maskery.jobs.video import VideoProgress, VideoRun, VideoSummary

STDIN, INTERRUPTED = "-", 130
FETCH_SECONDS = 600.0


@click.command()
@click.argument("video", metavar="FILE|FOLDER|URL|/dev/video0|-")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="OUT", help="File; of several formats the stem."
)
@click.option("--model", help="Model name, or folder with a model.toml.  [default: everyday]")
@click.option(
    "--format", "formats", metavar="A,B", help="webm, mp4, gif, png, jsonl, csv, mot, coco.  [default: by OUT]"
)
@click.option("--codec", type=click.Choice(["vp9", "av1", "h264"]), help="Of webm (vp9, av1) and mp4 (h264, av1).")
@click.option("--style", default="masks", metavar="NAME", help="masks, outlines, boxes, blur, cutout or replace.")
@click.option("--color", default="#000000", metavar="#RRGGBB", help="Behind a cutout, or what replaces.")
@click.option(
    "--strength", type=int, default=0, metavar="N", help="Pixels of a block of blur; 0 = by the frame's size."
)
@click.option("--classes", default="", metavar="A,B", help="Keep only these classes.")
@click.option("--max-side", type=int, metavar="N", help="Longest side, in pixels, of what the model sees.")
@click.option("--start", type=float, default=0.0, metavar="S", help="Begin at this second.")
@click.option("--end", type=float, metavar="S", help="End at this second.")
@click.option("--every", type=int, default=1, metavar="N", help="Only each N-th frame.")
@click.option("--rate", type=float, default=25.0, metavar="N", help="Frames a second of a folder of pictures.")
@click.option("--track/--no-track", default=True, help="Give objects numbers that they keep.")
@click.option("--sure", type=float, metavar="P", help="Least score of boxes that begin a track, 0 to 1.")
@click.option(
    "--lost", type=float, default=2.0, metavar="S", help="Seconds for which a hidden object keeps its number."
)
@click.option("--smooth/--no-smooth", default=True, help="Keep classes from flickering.")
@click.option("--line", "lines", multiple=True, metavar="NAME=x1,y1,x2,y2", help="Count who crosses it; repeatable.")
@click.option("--zone", "zones", multiple=True, metavar="NAME=x1,y1,...", help="Count who is inside; repeatable.")
@click.option("--scale", type=float, metavar="N", help="Pixels a metre, for speeds in metres.")
@click.option("--audio/--no-audio", default=True, help="Keep the sound.")
@click.option("--report", is_flag=True, help="Write a page about the video, OUT-report.html.")
@click.option("--resume", is_flag=True, help="Go on where an interrupted run stopped.")
@click.option("--device", type=click.Choice(["cpu", "cuda", "auto"]), help="Where to run.  [default: cpu]")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
def video(
    video: str,
    output: Path | None,
    model: str | None,
    formats: str | None,
    codec: str | None,
    style: str,
    color: str,
    strength: int,
    classes: str,
    max_side: int | None,
    start: float,
    end: float | None,
    every: int,
    rate: float,
    track: bool,
    sure: float | None,
    lost: float,
    smooth: bool,
    lines: tuple[str, ...],
    zones: tuple[str, ...],
    scale: float | None,
    audio: bool,
    report: bool,
    resume: bool,
    device: str | None,
    as_json: bool,
) -> None:
    """Run a model over a video, frame by frame, in memory that does not grow with its length.

    Without -o the result is NAME-maskery.webm here. Ctrl-C ends it early: what was done plays, and --resume goes on.
    docs/video.md has styles, formats, counts and what of a video is kept.
    """
    from maskery.core.settings import load_settings
    from maskery.jobs.open_video import open_run
    from maskery.jobs.video_options import formats_of
    from maskery.jobs.video_request import VideoRequest

    settings = load_settings({"device": device})
    target = output or Path(f"{_stem(video)}-maskery{'' if formats else '.webm'}")
    request = VideoRequest(
        model=model,
        formats=formats_of(formats, target),
        codec=codec,
        style=style,
        color=color,
        strength=strength,
        classes=_names(classes),
        max_side=max_side,
        start=start,
        end=end,
        every=every,
        rate=rate,
        track=track,
        sure=sure,
        lost=lost,
        smooth=smooth,
        lines=lines,
        zones=zones,
        scale=scale,
        audio=audio,
        report=report,
    )
    with _opened(video, settings, resume) as source, ProgressDisplay() as display:
        run = open_run(source, target, request, settings, lambda at: display.update(progress_text(at)), resume)
        with _stopping(run):
            summary = run.run()
    _tell(summary, as_json)
    if not summary.finished:
        sys.exit(INTERRUPTED)


def _stem(video: str) -> str:
    name = Path(video.rstrip("/").split("?")[0]).stem
    return name if name not in ("", STDIN) else "video"


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


@contextmanager
def _opened(video: str, settings: "Settings", resume: bool) -> Iterator["VideoInput"]:
    """What the run is given: the path itself, standard input, or the file that a URL was fetched to.

    Raises as ``Fetcher.fetch`` does.
    """
    if video == STDIN:
        yield sys.stdin.buffer
    elif video.startswith(("http://", "https://")):
        if resume:
            raise BadRequest("A video by URL is fetched anew, so it is not resumed.", "Save it as a file first.")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / (Path(video.split("?")[0]).name or "video")
            file.write_bytes(_fetched(video, settings))
            yield file
    else:
        yield video


def _fetched(url: str, settings: "Settings") -> bytes:
    """By the guard of the server: public hosts only, ``max_bytes`` at most."""
    import anyio
    import msgspec

    from maskery.serving.remote.fetch import Fetcher

    patient = msgspec.structs.replace(settings, url_timeout=max(settings.url_timeout, FETCH_SECONDS))
    return anyio.run(Fetcher(patient).fetch, url)


def progress_text(at: "VideoProgress") -> str:
    """``120 of 377 frames  14.2 a second  18 s left``."""
    of = "" if at.total is None else f" of {max(at.total, at.done)}"
    left = "" if at.left_s is None else f"  {_duration(at.left_s)} left"
    return f"{at.done}{of} frames  {at.rate:.1f} a second{left}"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


@contextmanager
def _stopping(run: "VideoRun") -> Iterator[None]:
    """The first Ctrl-C ends the run in good order, the second one at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        run.stop()
        for each, handler in before.items():
            signal.signal(each, handler)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(summary: "VideoSummary", as_json: bool) -> None:
    """Files and notes to stderr; the summary, where it is asked for, to stdout."""
    for note in summary.notes:
        click.echo(note, err=True)
    for name, ways in summary.counts.get("lines", {}).items():
        click.echo(f"{name}: in {sum(ways['in'].values())}, out {sum(ways['out'].values())}", err=True)
    for name, zone in summary.counts.get("zones", {}).items():
        click.echo(f"{name}: {zone['entered']} entered, {zone['left']} left, {zone['now']} inside", err=True)
    for path in summary.files:
        click.echo(f"wrote {path}", err=True)
    click.echo(f"{summary.frames} frames, {summary.rate:.1f} a second", err=True)
    if not summary.finished:
        click.echo("Stopped before the end; go on with --resume.", err=True)
    if as_json:
        files = [str(path) for path in summary.files]
        counts = dict(summary.counts)
        found = {"frames": summary.frames, "seconds": round(summary.seconds, 2), "rate": round(summary.rate, 2)}
        click.echo(json_text(found | {"finished": summary.finished, "files": files, "counts": counts}))
