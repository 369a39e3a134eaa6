"""What a server holds, over time: memory, open files, threads, tasks; and whether it grows."""

import contextlib
import signal
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from os import kill
from pathlib import Path
from types import TracebackType

import numpy as np

from benchmarks.server import status_mb

EVERY_SECONDS = 0.25
LONG_SECONDS = 300.0
# Per cent, of a long and of a short time, in which memory does not settle: while at work, if it is no chance; and of
# what is left, which comes out up to 8 % more or less from one time to the next.
LIMIT_GROWTH, LIMIT_LEFT = (2.0, 15.0), (15.0, 40.0)
BLOCKS, CERTAIN = 12, 2.8  # standard errors: 99 of 100 lines through so many means of chance lie below
STEADY_FOR = 2.0


@dataclass(frozen=True)
class Sample:
    """``at``: seconds since the watch began. ``resident_mb``: of the process."""

    at: float
    resident_mb: float
    files: int
    threads: int


@dataclass(frozen=True)
class Calm:
    """What is left when nothing is asked."""

    resident_mb: float
    files: int
    threads: int
    tasks: int


@dataclass(frozen=True)
class Growth:
    """Of resident memory over the last two thirds of the time, in per cent.

    ``thirds``: the median of the last third over that of the middle one. ``slope``: of least squares through the means
    of ``BLOCKS`` spans of time, from end to end; ``doubt``: its standard error, by how the means lie around the line.
    ``seconds``: of the whole time.
    """

    thirds: float
    slope: float
    doubt: float
    seconds: float

    @property
    def limit(self) -> float:
        """In per cent, while at work."""
        return LIMIT_GROWTH[self.seconds < LONG_SECONDS]

    @property
    def limit_left(self) -> float:
        """In per cent, of what is left."""
        return LIMIT_LEFT[self.seconds < LONG_SECONDS]

    @property
    def certain(self) -> bool:
        """Whether memory grew by more than the limit, by both, and not by chance."""
        return min(self.thirds, self.slope) > self.limit and self.slope > CERTAIN * self.doubt


class Watch:
    """Samples of a process until the block ends."""

    def __init__(self, pid: int) -> None:
        self.pid, self.samples = pid, list[Sample]()
        self._done, self._began = threading.Event(), time.monotonic()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        with contextlib.suppress(OSError):  # the process has ended, which is somebody else's finding
            while not self._done.wait(EVERY_SECONDS):
                self.samples.append(sample(self.pid, time.monotonic() - self._began))


def sample(pid: int, at: float = 0.0) -> Sample:
    """Raises ``OSError`` for a process that has ended."""
    status = f"/proc/{pid}/status"
    threads = next(line for line in Path(status).read_text().splitlines() if line.startswith("Threads:"))
    return Sample(at, status_mb(status, "VmRSS"), len(list(Path(f"/proc/{pid}/fd").iterdir())), int(threads.split()[1]))


def calm(pid: int, tasks: Path, patience: float = 20.0) -> Calm:
    """Wait until files and threads stay the same for a while, at most ``patience`` seconds, and count.

    ``tasks``: the file that the server writes their number to.
    """
    until, last, since = time.monotonic() + patience, sample(pid), time.monotonic()
    while time.monotonic() < until and time.monotonic() < since + STEADY_FOR:
        time.sleep(0.1)
        now = sample(pid)
        if (now.files, now.threads) != (last.files, last.threads):
            since = time.monotonic()
        last = now
    return Calm(last.resident_mb, last.files, last.threads, _tasks(pid, tasks))


def _tasks(pid: int, file: Path) -> int:
    file.unlink(missing_ok=True)
    kill(pid, signal.SIGUSR1)
    until = time.monotonic() + 10
    while not file.exists():
        if time.monotonic() > until:
            raise RuntimeError("the server's event loop did not count its tasks within 10 seconds")
        time.sleep(0.02)
    return int(file.read_text())


def growth(samples: Sequence[Sample]) -> Growth:
    """Raises ``ValueError`` for too few samples to say."""
    third = len(samples) // 3
    if 2 * third < BLOCKS:
        raise ValueError(f"{len(samples)} samples, expected {BLOCKS * 3 // 2} at least")
    middle, last = samples[third : 2 * third], samples[2 * third :]
    before, after = (statistics.median(s.resident_mb for s in part) for part in (middle, last))
    both = np.array([(s.at, s.resident_mb) for s in samples[third:]])
    means = np.array([block.mean(axis=0) for block in np.array_split(both, BLOCKS)])
    times, heights = means[:, 0] - means[:, 0].mean(), means[:, 1] - means[:, 1].mean()
    slope = float(times @ heights / (times @ times))
    rest = heights - slope * times
    doubt = float(np.sqrt(rest @ rest / (BLOCKS - 2) / (times @ times)))
    scale = float(both[-1, 0] - both[0, 0]) / before * 100
    return Growth((after / before - 1) * 100, slope * scale, doubt * scale, samples[-1].at - samples[0].at)
