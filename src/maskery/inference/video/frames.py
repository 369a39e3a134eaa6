"""What a video is to those who work on it: facts that are known before, and frames one after another."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from maskery.core.arrays import Pixels
from maskery.core.errors import BadRequest

AHEAD = 3  # frames that wait, decoded, while the model runs
STOP_SECONDS = 0.1
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """``index``: from 0, of the frames that are read. ``time_s``: from the video's start. ``pixels``: (H, W, 3) uint8
    RGB, upright, with square pixels; every frame of a video has the same size.
    """

    index: int
    time_s: float
    pixels: Pixels

    @property
    def size_wh(self) -> tuple[int, int]:
        return self.pixels.shape[1], self.pixels.shape[0]


@dataclass(frozen=True, kw_only=True)
class VideoFacts:
    """What is known before the first frame is decoded; the header of a file may be wrong.

    Attributes:
        name: What to call it: a file name.
        rate: Frames a second.
        seconds: How long it lasts; None where nobody knows.
        audio: Whether it has sound.
        live: Whether it goes on until somebody stops it: a camera, a stream.
        again: Whether it can be read from its start once more.
    """

    name: str
    rate: float
    seconds: float | None = None
    audio: bool = False
    live: bool = False
    again: bool = True

    def frames_of(self, options: "ReadOptions") -> int | None:
        """About how many frames will be read; None where nobody knows."""
        end = self.seconds if options.end_s is None else min(options.end_s, self.seconds or options.end_s)
        if end is None:
            return None
        return max(1, round((end - options.start_s) * self.rate / options.every))


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """Which frames are read. Raises ``BadRequest`` for what is no part of a video.

    Attributes:
        start_s: Where to begin, in seconds from the video's start.
        end_s: Where to end; None = at the video's end.
        every: 1 = each frame, 2 = every other one, and so on.
        rate: Frames a second of a folder of pictures.
        max_pixels: Largest frame, width times height.
        skip: How many of these frames are passed over, for an earlier run has looked at them.
    """

    start_s: float = 0.0
    end_s: float | None = None
    every: int = 1
    rate: float = 25.0
    max_pixels: int = 80_000_000
    skip: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.start_s < 1e7:
            raise BadRequest(f"The start is {self.start_s} seconds.", "Give seconds from 0.")
        if self.end_s is not None and not self.start_s < self.end_s < 1e7:
            raise BadRequest(f"The end is {self.end_s} seconds.", "Give more seconds than the start has.")
        if not 1 <= self.every <= 100_000:
            raise BadRequest(f"Every {self.every}th frame was asked for.", "Give a whole number from 1.")
        if not 0 < self.rate <= 1000:
            raise BadRequest(f"The rate is {self.rate} frames a second.", "Give a number above 0, up to 1000.")


@dataclass
class ReadNotes:
    """What the reading of a video met with. ``damaged``: packets that could not be decoded. ``retimed``: frames whose
    time was missing or ran backwards. ``resized``: frames of another size than the first one's.
    """

    damaged: int = 0
    retimed: int = 0
    resized: int = 0
    cut_s: float | None = field(default=None)

    def sentences(self) -> list[str]:
        """What a user should know; empty where all was well."""
        said = []
        if self.damaged:
            said.append(f"{self.damaged} packets of the video are damaged; their frames are missing or spoilt.")
        if self.cut_s is not None:
            said.append(f"The video ends at {self.cut_s:.2f} s, before the end that its header states.")
        if self.retimed:
            said.append(f"{self.retimed} frames had no time or one that ran backwards; they follow the frame before.")
        if self.resized:
            said.append(f"{self.resized} frames have another size; they are shown at the size of the first one.")
        return said


class FrameSource(Protocol):
    """A video that was opened."""

    @property
    def facts(self) -> VideoFacts: ...

    @property
    def notes(self) -> ReadNotes:
        """Filled while the frames are read."""

    def frames(self) -> Iterator[VideoFrame]:
        """All of them, once. Raises ``VideoError`` where there is none, ``TooLarge``."""

    def close(self) -> None: ...


def ahead(items: Iterable[T], depth: int = AHEAD) -> Generator[T, None, None]:
    """The items, made by another thread while the caller is busy; at most ``depth`` wait.

    What the thread raises is raised here. Closing the generator ends the thread.
    """
    waiting: queue.Queue[tuple[bool, T | None, BaseException | None]] = queue.Queue(depth)
    stop = threading.Event()

    def put(entry: tuple[bool, T | None, BaseException | None]) -> None:
        while not stop.is_set():
            try:
                waiting.put(entry, timeout=STOP_SECONDS)
                return
            except queue.Full:
                continue

    def work() -> None:
        iterator = iter(items)
        try:
            for item in iterator:
                put((True, item, None))
                if stop.is_set():
                    break
            put((False, None, None))
        except BaseException as error:
            put((False, None, error))

    thread = threading.Thread(target=work, name="maskery-frames", daemon=True)
    thread.start()
    try:
        while True:
            more, item, error = waiting.get()
            if error is not None:
                raise error
            if not more:
                return
            yield item  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()


class Behind:
    """Work that another thread does after the caller: the writing of frames while the next ones are looked at.

    At most ``depth`` pieces wait. What one raises is raised by the next call.
    """

    def __init__(self, depth: int = AHEAD) -> None:
        self._waiting: queue.Queue[Callable[[], None] | None] = queue.Queue(depth)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="maskery-writer", daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], None]) -> None:
        """Have it done after all that was handed over before."""
        self._raise()
        self._waiting.put(work)

    def wait(self) -> None:
        """Return when all is done."""
        self._waiting.join()
        self._raise()

    def close(self) -> None:
        """End the thread; what waits is done first."""
        self._waiting.put(None)
        self._thread.join()

    def _raise(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _run(self) -> None:
        while (work := self._waiting.get()) is not None:
            try:
                if self._error is None:
                    work()
            except BaseException as error:
                self._error = error
            self._waiting.task_done()
