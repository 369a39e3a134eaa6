"""Queues of jobs in front of an executor; like-sized pictures of one model together where that pays.

All bookkeeping happens on the event loop, so nothing here needs a lock. A job that has begun runs to its end: when its
caller leaves, the rest of its batch goes on, and the job still counts as at work.
"""

import asyncio
import math
import time
from bisect import insort
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from maskery.core.errors import Busy
from maskery.serving.http.request_log import request_id

Item = TypeVar("Item")

INTERACTIVE, BACKGROUND = 0, 1
"""Classes of priority: somebody waits for a picture; frames of films, folders. A lower number goes first."""

MEMORY_WAIT = 1.0
"""Seconds after which a job that waits for memory lets no other one begin before it."""

REMEMBERED_QUEUES = 256
"""Empty queues whose last turn is remembered: names of tenants must not add up for ever."""


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """What became of one job: ``value``, or ``error`` where it failed.

    Attributes:
        value: what the writer gave.
        error: the exception; None where there is none.
        timings_ms: milliseconds by stage.
        shares: share of the picture by class, for metrics.
        batch: jobs that ran together in one run of the model; 0 where that says nothing.
    """

    value: Any = None
    error: BaseException | None = None
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    batch: int = 0


@dataclass(frozen=True, kw_only=True)
class QueueTerms:
    """Where and how a job waits.

    Attributes:
        queue: name of the queue: a model, a tenant, a film.
        timeout: seconds until the job is given up; None for no limit.
        need_bytes: memory that the job needs while it is worked on.
        like: jobs of one queue with equal values may share a batch; None for a job that goes alone.
        priority: class of the job; a lower class starts only when nothing of a higher class waits.
    """

    queue: str
    timeout: float | None = None
    need_bytes: int = 0
    like: Hashable = None
    priority: int = INTERACTIVE


@dataclass(eq=False, kw_only=True)
class QueuedJob(Generic[Item]):
    """A job in a queue or at work. Times are of ``time.monotonic``.

    Attributes:
        item: what the executor is given.
        terms: where and how the job waits.
        answer: done when the job is, cancelled when its caller has left.
        entered: when the job was queued.
        started: when the job was handed to the executor; None before.
        request_id: the id of the request that the job belongs to.
    """

    item: Item
    terms: QueueTerms
    answer: "asyncio.Future[Any]"
    entered: float = field(default_factory=time.monotonic)
    started: float | None = None
    request_id: str = field(default_factory=request_id.get)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the job is given up; None for never."""
        if self.terms.timeout is None:
            return None
        return self.entered + self.terms.timeout - time.monotonic()


@dataclass(frozen=True, kw_only=True)
class QueuePlace(Generic[Item]):
    """A job that waits.

    Attributes:
        item: what the executor will be given.
        position: 1 is the next one of its queue.
        request_id: the id of the request that the job belongs to.
        age: seconds that it has waited.
        seconds_left: until it is given up; None for never.
    """

    item: Item
    position: int
    request_id: str
    age: float
    seconds_left: float | None


class Scheduler(Generic[Item]):
    """At most ``slots`` groups at work, whose memory needs together stay within ``budget`` bytes (one may exceed it
    alone).

    ``submit``: starts a group; its future has one result for each item, in order. ``max_queue``: jobs that may wait in
    each queue. ``batch_of``: the most items that may go together with this one.
    """

    def __init__(
        self,
        submit: Callable[[Sequence[Item]], "Future[list[JobResult]]"],
        slots: int,
        max_queue: int,
        budget: int | None = None,
        batch_of: Callable[[Item], int] = lambda item: 1,
    ) -> None:
        self._submit, self._slots, self._max_queue = submit, slots, max_queue
        self.budget, self._batch_of = budget, batch_of
        self._queues: dict[str, list[QueuedJob[Item]]] = {}  # each by priority, then by arrival
        self._running: set[tuple[QueuedJob[Item], ...]] = set()
        self._last_turn: dict[str, float] = {}  # by queue, the oldest first
        self._mean_seconds = 0.05  # of a job, a running mean

    def enter(self, item: Item, terms: QueueTerms) -> QueuedJob[Item]:
        """Queue a job. Raises ``Busy`` where its queue is full."""
        self._drop_cancelled()
        waiting = len(self._queues.get(terms.queue, ()))
        if waiting >= self._max_queue and len(self._running) >= self._slots:
            seconds = self.wait_seconds(terms.priority)
            raise Busy(f"{waiting} requests are waiting already.", "Try again in a moment.", seconds)
        job = QueuedJob(item=item, terms=terms, answer=asyncio.get_running_loop().create_future())
        insort(self._queues.setdefault(terms.queue, []), job, key=lambda other: other.terms.priority)
        self._start_what_can()
        return job

    async def wait(self, job: QueuedJob[Item], gone: "asyncio.Future[Any] | None" = None) -> Any:
        """The job's answer, or None with ``job.answer`` cancelled once ``gone`` is done: the caller has left.

        Raises the job's error, and ``Busy`` when the job's timeout ends before the job does.
        """
        watched = {job.answer, gone} if gone else {job.answer}
        left = job.seconds_left
        try:
            timeout = None if left is None else max(0.0, left)
            await asyncio.wait(watched, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if job.answer.done():
                return job.answer.result()
            if gone and gone.done():
                return None
            doing = "was waiting for its turn" if job.started is None else "was being worked on"
            message = f"The time of {job.terms.timeout:g} seconds was over while the request {doing}."
            cure = "Try again later, or allow more time."
            raise Busy(message, cure, self.wait_seconds(job.terms.priority))
        finally:
            job.answer.cancel()  # without effect where it is done

    def wait_seconds(self, priority: int = BACKGROUND) -> int:
        """When to come back, at least one second: the jobs that go before one of this class, by the mean time that jobs
        have taken lately.
        """
        ahead = sum(job.terms.priority <= priority for queue in self._queues.values() for job in queue)
        return max(1, math.ceil(ahead * self._mean_seconds / self._slots))

    def running(self) -> list[Item]:
        """The items at work."""
        return [job.item for group in self._running for job in group]

    def waiting(self) -> list[QueuePlace[Item]]:
        """The jobs that wait, queue by queue."""
        now = time.monotonic()
        return [
            QueuePlace(
                item=job.item,
                position=position,
                request_id=job.request_id,
                age=now - job.entered,
                seconds_left=job.seconds_left,
            )
            for queue in self._queues.values()
            for position, job in enumerate((job for job in queue if not job.answer.done()), start=1)
        ]

    def _drop_cancelled(self) -> None:
        """Drop the jobs whose callers have left, and queues without jobs."""
        for name, queue in list(self._queues.items()):
            if any(job.answer.done() for job in queue):
                queue[:] = [job for job in queue if not job.answer.done()]
            if not queue:
                del self._queues[name]

    def _start_what_can(self) -> None:
        while len(self._running) < self._slots and (group := self._next_group()):
            self._start(group)

    def _next_group(self) -> tuple[QueuedJob[Item], ...]:
        """The head of the queue that had its turn longest ago, with those like it; only the highest class of priority
        that waits has turns. Empty where nothing may begin.
        """
        self._drop_cancelled()
        heads = [queue[0] for queue in self._queues.values()]
        highest = min((job.terms.priority for job in heads), default=INTERACTIVE)
        heads = [job for job in heads if job.terms.priority == highest]
        oldest = min(heads, key=lambda job: job.entered, default=None)
        if oldest and not self._fits(oldest.terms.need_bytes) and time.monotonic() - oldest.entered > MEMORY_WAIT:
            return ()
        for head in sorted(heads, key=lambda job: self._last_turn.get(job.terms.queue, 0.0)):
            if self._fits(head.terms.need_bytes):
                return self._group_of(head)
        return ()

    def _group_of(self, head: QueuedJob[Item]) -> tuple[QueuedJob[Item], ...]:
        """Take ``head`` and what may go with it out of their queue."""
        queue, group, need = self._queues[head.terms.queue], [head], head.terms.need_bytes
        most = self._batch_of(head.item) if head.terms.like is not None else 1
        for job in queue[1:]:
            if len(group) < most and job.terms.like == head.terms.like and self._fits(need + job.terms.need_bytes):
                group.append(job)
                need += job.terms.need_bytes
        for job in group:
            queue.remove(job)
        return tuple(group)

    def _fits(self, need_bytes: int) -> bool:
        if self.budget is None or not self._running:
            return True
        return need_bytes + sum(job.terms.need_bytes for group in self._running for job in group) <= self.budget

    def _start(self, group: tuple[QueuedJob[Item], ...]) -> None:
        queue, began = group[0].terms.queue, time.monotonic()
        self._last_turn.pop(queue, None)
        self._last_turn[queue] = began
        if len(self._last_turn) > REMEMBERED_QUEUES:
            del self._last_turn[next(iter(self._last_turn))]
        for job in group:
            job.started = began
        self._running.add(group)
        work = asyncio.wrap_future(self._submit([job.item for job in group]))
        work.add_done_callback(lambda done: self._end(group, done))

    def _end(self, group: tuple[QueuedJob[Item], ...], work: "asyncio.Future[list[JobResult]]") -> None:
        self._running.discard(group)
        if work.cancelled():
            results = [JobResult(error=asyncio.CancelledError())] * len(group)
        elif error := work.exception():
            results = [JobResult(error=error)] * len(group)
        else:
            results = work.result()
        for job, result in zip(group, results, strict=True):
            if job.answer.done():
                continue  # its caller has left
            if result.error is None:
                job.answer.set_result(result.value)
            else:
                job.answer.set_exception(result.error)
        taken = time.monotonic() - (group[0].started or 0.0)
        self._mean_seconds += 0.2 * (taken / len(group) - self._mean_seconds)
        self._start_what_can()
