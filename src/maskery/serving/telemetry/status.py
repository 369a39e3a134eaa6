"""The state of the service, for people, programs and metrics: one description, and how it is worked out.

Times are in seconds, memory in bytes. The dataclasses are the JSON of GET /v1/status, field by field.
"""

import threading
from collections import deque
from dataclasses import dataclass
from typing import Literal, get_args

from maskery.core.process_memory import peak_bytes, resident_bytes
from maskery.core.settings import Settings
from maskery.inference.prompts.embedding_cache import CacheState

State = Literal["unloaded", "loading", "ready", "wrong", "failed"]
"""``wrong``: it is loaded and answers, but not with the answer that its card stores."""

STATES: tuple[State, ...] = get_args(State)

# The settings that bound what a caller may send, how much at once, and how long a caller may wait.
LIMITS = (
    *("max_bytes", "max_pixels", "max_pictures", "concurrency", "max_batch", "max_queue", "max_waiting_bytes"),
    *("max_connections", "rate_limit", "timeout", "idle_unload"),
)

PER_PROCESS = ("concurrency", "max_queue", "max_waiting_bytes", "max_connections", "rate_limit", "memory")
"""Settings that each server process counts for itself."""

LimitSource = Literal["setting", "container", "none"]
"""What limits the memory of the process."""

KEPT_RUNS = 256


@dataclass(frozen=True)
class Device:
    """Where a model was asked to run and where it runs; ``used`` is empty while it is not loaded."""

    asked: str
    used: str


@dataclass(frozen=True)
class Waiting:
    """A request in a queue. ``position``: 1 is next. ``seconds_left``: until it is given up; None for never."""

    position: int
    request_id: str
    age_seconds: float
    seconds_left: float | None


@dataclass(frozen=True)
class Queue:
    """Pictures in work and requests that wait, in their order."""

    running: int = 0
    waiting: tuple[Waiting, ...] = ()


@dataclass(frozen=True)
class RunTimes:
    """Milliseconds of the last ``of_last`` runs, and how many there were since the start."""

    count: int = 0
    of_last: int = 0
    p50_ms: float = 0.0
    p95_ms: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Change:
    """One load or unload.

    Attributes:
        what: "loaded" or "unloaded".
        reason: why.
        rss_before: resident memory of the process before it, in bytes.
        rss_after: the same after it.
        seconds: how long it took.
    """

    what: Literal["loaded", "unloaded"]
    reason: str
    rss_before: int
    rss_after: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class ModelStatus:
    """One model.

    Attributes:
        name: of the card.
        version: of the card.
        aliases: other names that the operator gave it.
        default: whether requests that name no model get this one.
        state: one of ``STATES``.
        reason: why it is in its state.
        device: asked for, and in use.
        runtime: name and version of what runs it; empty while it is not loaded.
        file_bytes: size of its files.
        memory_bytes: what loading it last added to the process.
        batch: pictures that may run together.
        idle_seconds: since it was last used; None for never.
        runs: how long its runs took.
        queue: its jobs, in whichever queues they are.
        changes: the last loads and unloads, the newest last.
    """

    name: str
    version: str
    aliases: tuple[str, ...]
    default: bool
    state: State
    reason: str
    device: Device
    runtime: str
    file_bytes: int
    memory_bytes: int
    batch: int
    idle_seconds: float | None
    runs: RunTimes
    queue: Queue
    changes: tuple[Change, ...] = ()

    @property
    def key(self) -> str:
        """NAME@VERSION."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Memory of the process, in bytes.

    Attributes:
        rss_bytes: resident now.
        peak_bytes: the most that was ever resident.
        budget_bytes: what loaded models may take together; None without a limit.
        held_bytes: pictures of all callers that wait or are at work.
        limit_bytes: what the process may take; None for no limit.
        limit_source: where the limit was set.
    """

    rss_bytes: int
    peak_bytes: int
    budget_bytes: int | None = None
    held_bytes: int = 0
    limit_bytes: int | None = None
    limit_source: LimitSource = "none"


@dataclass(frozen=True, kw_only=True)
class Status:
    """The whole service.

    Attributes:
        version: of Maskery.
        uptime_seconds: since the process began to serve.
        ready: as ``/readyz`` says it.
        models: the default first.
        memory: of the process.
        embeddings: pictures that wait for the next click, with what the models made of them.
        jobs: how many are in each state; None where none are taken.
        limits: the settings of ``LIMITS``.
        limits_per_process: names of settings that each server process counts for itself.
    """

    version: str
    uptime_seconds: float
    ready: bool
    models: tuple[ModelStatus, ...]
    memory: Memory
    embeddings: CacheState
    jobs: dict[str, int] | None = None
    limits: dict[str, float | str]
    limits_per_process: tuple[str, ...] = PER_PROCESS


class RunClock:
    """The run times of one model. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: deque[float] = deque(maxlen=KEPT_RUNS)
        self._count = 0

    def add(self, milliseconds: float) -> None:
        """One more run."""
        with self._lock:
            self._last.append(milliseconds)
            self._count += 1

    def times(self) -> RunTimes:
        """Count and percentiles (nearest rank) until now."""
        with self._lock:
            count, last = self._count, sorted(self._last)
        return RunTimes(count, len(last), _percentile(last, 50), _percentile(last, 95))


def _percentile(ordered: list[float], percent: int) -> float:
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else 0.0


def memory_now(
    budget_bytes: int | None = None,
    held_bytes: int = 0,
    limit_bytes: int | None = None,
    limit_source: LimitSource = "none",
) -> Memory:
    """The process's is read from /proc; zeros where there is none."""
    return Memory(
        rss_bytes=resident_bytes(),
        peak_bytes=peak_bytes(),
        budget_bytes=budget_bytes,
        held_bytes=held_bytes,
        limit_bytes=limit_bytes,
        limit_source=limit_source,
    )


def limits(settings: Settings) -> dict[str, float | str]:
    """The settings of ``LIMITS``."""
    return {name: getattr(settings, name) for name in LIMITS}
