"""What is known of one request while it is answered. Who learns something writes it here; log and trace read it."""

import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

KEY = "maskery.record"


@dataclass(frozen=True, slots=True)
class Worked:
    """One picture of a request: milliseconds by stage in the order in which they ran, and when the last one ended."""

    timings_ms: Mapping[str, float]
    ended_ns: int


@dataclass(slots=True)
class Record:
    """``protocol`` and ``model`` are names of ours, never a caller's text; ``problem`` is the code of an error.

    ``status`` is 0 until an answer begins.
    """

    protocol: str = "other"
    model: str = ""
    problem: str = ""
    status: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    pictures: list[Worked] = field(default_factory=list)

    def worked(self, model: str, timings_ms: Mapping[str, float]) -> None:
        """A picture is done, now."""
        self.model = model
        self.pictures.append(Worked(timings_ms, time.time_ns()))


def record_of(scope: MutableMapping[str, Any]) -> Record:
    """The record of the request with this ASGI scope; made where none was begun."""
    record: Record = scope.setdefault(KEY, Record())
    return record
