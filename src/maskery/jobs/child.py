"""One job in a process of its own, ``python -m maskery.jobs.child FOLDER``, which says in lines of JSON how it goes.

FOLDER/job.json has the request, FOLDER/in what was sent; the answers go to FOLDER/out. Begun again after whatever end,
it goes on. It runs with the lowest priority, so that requests beside it are hardly slower, and ends with its parent:
stdin is a pipe, which closes then.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from filelock import FileLock

from maskery.core.errors import BadRequest, MaskeryError
from maskery.core.picture import decode
from maskery.core.settings import Settings
from maskery.jobs.folder.answers import PictureAnswerer
from maskery.jobs.folder.collect import write_coco
from maskery.jobs.folder.listing import PictureListing
from maskery.jobs.folder.places import LocalPlace, Place, open_source
from maskery.jobs.folder.result_lines import file_of
from maskery.jobs.folder.run import FolderRun, RunState, in_threads, opened, run_once
from maskery.jobs.job_request import StoredJob
from maskery.jobs.open_video import open_run
from maskery.jobs.video import VideoProgress

EVERY_S = 0.5
"""Between two lines about progress."""
LOWEST_PRIORITY = 19

Say = Callable[[dict[str, Any]], None]


def main() -> None:
    """Exits with 0 when the job has succeeded, with 1 after a line that says why not."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(LOWEST_PRIORITY)
    folder = Path(sys.argv[1])
    try:
        with FileLock(folder / "lock"):  # a process before, whose parent was killed, ends in a moment
            work(folder, _say)
    except MaskeryError as error:
        _say({"problem": {"code": error.code, "detail": error.message, "cure": error.cure}})
        sys.exit(1)


def work(folder: Path, say: Say) -> None:
    """Do the job of ``folder``, from wherever it was left. Raises ``MaskeryError``."""
    job = msgspec.json.decode((folder / "job.json").read_bytes(), type=StoredJob)
    settings = msgspec.convert(job.settings, Settings, strict=False)
    decode.trust_own_pixel_limit()
    if job.request.kind == "video":
        _work_on_video(folder, job, settings, say)
    else:
        _work_on_pictures(folder, job, settings, say)


def _work_on_video(folder: Path, job: StoredJob, settings: Settings, say: Say) -> None:
    files = sorted((folder / "in").iterdir())
    if len(files) != 1:
        raise BadRequest(f"A job on a video was sent {len(files)} files.", "Send one file.")
    request = msgspec.structs.replace(job.request.video(), model=job.model)
    last = 0.0

    def report(at: VideoProgress) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY_S:
            last = time.monotonic()
            line = {"done": at.done, "failed": 0, "total": at.total, "left_s": at.left_s, "counts": at.counts}
            say(line)

    out = folder / "out"
    out.mkdir(exist_ok=True)
    summary = open_run(files[0], out / files[0].stem, request, settings, report).run()
    counts = {"notes": list(summary.notes), **summary.counts}
    say({"done": summary.frames, "failed": 0, "total": summary.frames, "left_s": 0.0, "counts": counts})


def _work_on_pictures(folder: Path, job: StoredJob, settings: Settings, say: Say) -> None:
    source, target = _source(folder / "in"), LocalPlace(folder / "out")
    request = job.request.pictures()
    answerer = PictureAnswerer(
        msgspec.structs.replace(settings, threads=1), request.answer_options(job.model), source, target
    )
    run, last = FolderRun(source=source, target=target), 0.0

    def report(state: RunState) -> None:
        nonlocal last
        if state.done < state.total and time.monotonic() - last < EVERY_S:
            return
        last = time.monotonic()
        done, failed = state.before + state.done, state.failed_before + state.failed
        say({"done": done, "failed": failed, "total": state.before + state.total, "left_s": state.seconds_left})

    with PictureListing() as listing:
        lines = opened(run, listing)
        try:
            state = run_once(run, listing, lines, in_threads(answerer, 1), report)
        finally:
            lines.close()
        if state.before + state.total == 0:
            raise BadRequest("There is no picture among the files.", "Send pictures, or a zip of pictures.")
        if request.collect == "coco":
            coco = folder / "out" / "coco.json"
            write_coco(coco, lambda: (line for line in lines if listing.is_current(file_of(line))), answerer.model)


def _source(folder: Path) -> Place:
    """The folder, or the one archive in it."""
    files = list(folder.iterdir())
    if len(files) == 1 and files[0].suffix.lower() == ".zip":
        return open_source(str(files[0]), "")
    return LocalPlace(folder)


def _say(line: dict[str, Any]) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


def _end_with_parent() -> None:
    while os.read(0, 1024):  # not sys.stdin: its lock would be held when the process ends
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
