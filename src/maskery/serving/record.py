"""What is known of one request while it is answered. Who learns something writes it here; log and trace read it."""

import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Worked:
    """One picture of a request: milliseconds by stage in the order in which they ran, and when the last one ended."""

    timings_ms: Mapping[str, float]
    ended_ns: int


@dataclass(slots=True)
class Record:
    """``protocol``, ``model`` and ``format`` (of the answer) are names of ours, never a caller's text.

    ``problem`` is the code of an error. ``status`` is 0 until an answer begins. ``fetch_ms``: spent on fetching the
    picture that is worked on next.
    """

    protocol: str = ""
    model: str = ""
    format: str = ""
    problem: str = ""
    status: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    fetch_ms: float = 0.0
    pictures: list[Worked] = field(default_factory=list)

    def worked(self, timings_ms: Mapping[str, float]) -> None:
        """A picture is done, now."""
        self.pictures.append(Worked(timings_ms, time.time_ns()))


_current: ContextVar[Record | None] = ContextVar("record", default=None)


def begin() -> Record:
    """The record of a request that has just come; ``current`` in all code that works for it."""
    record = Record()
    # Never reset: each request is a task with a context of its own.
    _current.set(record)
    return record


def current() -> Record:
    """The record of the request that the running code works for; outside of requests one that nobody reads."""
    return _current.get() or Record()
