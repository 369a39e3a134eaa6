"""How long the stages of a piece of work take."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class Stopwatch:
    """Milliseconds by stage, in the order in which the stages ran; ``before``: those of earlier stages."""

    def __init__(self, before: Mapping[str, float] | None = None) -> None:
        self.timings_ms: dict[str, float] = dict(before or {})

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.note(name, started)

    @contextmanager
    def more(self, name: str) -> Iterator[None]:
        """A part of a stage that comes in many parts."""
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = (time.perf_counter() - started) * 1000
            self.timings_ms[name] = round(self.timings_ms.get(name, 0.0) + spent, 3)

    def over(self, name: str, bands: Iterable[T]) -> Iterator[T]:
        """The same bands; making them is the stage ``name``."""
        source = iter(bands)
        while True:
            with self.more(name):
                band = next(source, None)
            if band is None:
                return
            yield band

    @contextmanager
    def rest(self, name: str) -> Iterator[None]:
        """A stage, without those that run inside it."""
        before, started = sum(self.timings_ms.values()), time.perf_counter()
        yield
        inside = sum(self.timings_ms.values()) - before
        self.timings_ms[name] = round((time.perf_counter() - started) * 1000 - inside, 3)

    def note(self, name: str, started: float) -> None:
        """``name`` has taken from ``started`` (of ``time.perf_counter``) until now."""
        self.timings_ms[name] = round((time.perf_counter() - started) * 1000, 3)
