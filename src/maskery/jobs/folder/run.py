"""A run over all pictures of a place: list, leave out what is done, answer the rest, keep the lines in order."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import msgspec

from maskery.core.errors import ConfigError
from maskery.jobs.folder.answer_options import AnswerOptions
from maskery.jobs.folder.answers import PictureAnswerer
from maskery.jobs.folder.listing import ListedPicture, PictureListing, Shard
from maskery.jobs.folder.places import Place
from maskery.jobs.folder.result_lines import Line, ResultLines, file_of, is_failed, open_lines

RUN_FILE = "run.json"
FAILURES_SHOWN = 20

ALL = Shard()

Answering = Callable[[Iterable[ListedPicture]], Iterator[Line]]
"""Pictures -> their lines, in the same order; takes pictures only as it needs them."""
Report = Callable[["RunState"], None]


@dataclass(frozen=True, kw_only=True)
class FolderRun:
    """What a run is to do.

    Attributes:
        source: Where the pictures are.
        target: Where the answers go.
        shard: The part of the pictures that is this run's.
        since: Seconds since 1970; older pictures are left out.
    """

    source: Place
    target: Place
    shard: Shard = ALL
    since: int = 0


@dataclass(kw_only=True)
class RunState:
    """Where a run stands.

    Attributes:
        total: Pictures that were waiting at the start.
        done: Of these, those that have a line now.
        failed: Of these, those that have no answer.
        before: Pictures of earlier runs, which are left out.
        failed_before: Of these, those that have no answer.
        failures: The first lines of pictures that failed.
        started: Of ``time.monotonic``.
    """

    total: int
    before: int = 0
    failed_before: int = 0
    done: int = 0
    failed: int = 0
    failures: list[Line] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def count(self, line: Line) -> None:
        """One more picture has its line."""
        self.done += 1
        if is_failed(line):
            self.failed += 1
            if len(self.failures) < FAILURES_SHOWN:
                self.failures.append(line)

    @property
    def a_second(self) -> float:
        """Pictures a second so far."""
        return self.done / max(time.monotonic() - self.started, 1e-6)

    @property
    def seconds_left(self) -> float | None:
        """None before the first picture."""
        return (self.total - self.done) / self.a_second if self.done else None


def expect_same_run(target: Place, options: AnswerOptions, answerer: PictureAnswerer) -> None:
    """Write down what answers the pictures, or compare with what was written down by the run that began.

    Raises ``ConfigError`` where the target holds answers of other options or of another model.
    """
    model = answerer.model
    facts: dict[str, Any] = msgspec.to_builtins(options) | {"model": model.key, "sha256": model.card.sha256}
    if not target.exists(RUN_FILE):
        target.write(RUN_FILE, msgspec.json.format(msgspec.json.encode(facts), indent=2) + b"\n")
        return
    try:
        before = msgspec.json.decode(target.read(RUN_FILE), type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise ConfigError(f"{target.address}/{RUN_FILE} is damaged: {error}.", "Choose another folder.") from error
    facts = msgspec.json.decode(msgspec.json.encode(facts), type=dict[str, Any])
    differing = sorted(key for key in facts.keys() | before.keys() if facts.get(key) != before.get(key))
    if differing:
        was = "; ".join(f"{key} was {before.get(key)!r}, is {facts.get(key)!r}" for key in differing)
        raise ConfigError(
            f"{target.address} holds the answers of another run: {was}.",
            "Choose another folder for the answers, or give the same options.",
        )


def run_once(
    run: FolderRun, listing: PictureListing, lines: ResultLines, answering: Answering, report: Report
) -> RunState:
    """Answer what is new. Lines are kept in the order of the names, each after the answers of its picture.

    Raises ``ConfigError`` where the source cannot be read, ``OutputError`` where an answer cannot be written.
    """
    listing.fill(run.source.files())
    counts = listing.count(run.shard, run.since)
    state = RunState(total=counts.waiting, before=counts.done, failed_before=counts.failed)
    report(state)
    for line in answering(listing.waiting(run.shard, run.since)):
        lines.append(line)
        listing.mark_done([(file_of(line), is_failed(line))])
        state.count(line)
        report(state)
    return state


def opened(run: FolderRun, listing: PictureListing) -> ResultLines:
    """The lines of earlier runs, which ``listing`` then knows as done."""
    lines = open_lines(run.target, run.shard)
    listing.mark_done((file_of(line), is_failed(line)) for line in lines)
    return lines


def in_threads(answerer: PictureAnswerer, workers: int) -> Answering:
    """Pictures are answered by threads of this process, ``workers`` at once."""

    def answering(pictures: Iterable[ListedPicture]) -> Iterator[Line]:
        waiting: deque[Future[Line]] = deque()
        pool = ThreadPoolExecutor(workers, thread_name_prefix="maskery-folder")
        try:
            for picture in pictures:
                waiting.append(pool.submit(answerer.line, picture))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    return answering
