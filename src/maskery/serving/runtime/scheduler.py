"""One queue a model; a few jobs at work; like-sized pictures of one model together where that pays.

Everything but the work itself happens on the event loop, so nothing here needs a lock. A job that has begun runs to its
end: a caller who leaves is forgotten, and neither his batch nor his place in the count of jobs at work is.
"""

import asyncio
import contextvars
import math
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from maskery.core.errors import Busy
from maskery.serving.http.request_log import request_id

Item = TypeVar("Item")
T = TypeVar("T")

# Seconds after which a job that waits for memory lets no other one begin before it.
PATIENCE = 1.0

JobResult = tuple[Any, BaseException | None]
"""What became of one item: (its answer, None) or (None, its error)."""

Run = Callable[[Sequence[Item]], list[JobResult]]
"""Work on a group of items in a worker thread: an outcome each, in order; it never raises for one item's fault."""


@dataclass(eq=False)
class QueuedJob(Generic[Item]):
    """One job: its ``item``, how to ``run`` it, the bytes that it ``needs``, and whom it is ``like``.

    ``answer`` is done when the job is, or cancelled when its caller has left. Times are of ``time.monotonic``.
    """

    line: str
    item: Item
    run: Run[Item]
    needs: int
    like: Hashable
    answer: "asyncio.Future[Any]"
    entered: float
    deadline: float
    started: float | None = None
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    request_id: str = field(default_factory=request_id.get)


@dataclass(frozen=True)
class QueuePlace:
    """A waiting job as ``/v1/status`` shows it; seconds."""

    line: str
    position: int
    request_id: str
    age: float
    patience: float


class Scheduler:
    """At most ``slots`` groups at work, whose needs together stay within ``budget`` bytes (one may exceed it alone).

    ``max_queue``: jobs that may wait in each line. ``batch_of``: the most items of a line that may go together.
    """

    def __init__(
        self, slots: int, max_queue: int, budget: int | None = None, batch_of: Callable[[str], int] = lambda line: 1
    ) -> None:
        self._slots, self._max_queue, self.budget, self._batch_of = slots, max_queue, budget, batch_of
        self._lines: dict[str, deque[QueuedJob[Any]]] = {}
        self._running: set[tuple[QueuedJob[Any], ...]] = set()
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="maskery-worker")
        self._served: dict[str, float] = {}
        self._seconds = 0.05  # of a job, a running mean

    def enter(
        self, line: str, item: Item, run: Run[Item], patience: float, needs: int = 0, like: Hashable = None
    ) -> QueuedJob[Item]:
        """Queue a job. Raises ``Busy`` where its line is full.

        ``like``: items of equal ``like`` may share a batch; None = always alone. ``patience``: seconds until it is
        given up unless it has begun.
        """
        waiting = self._lines.setdefault(line, deque())
        self._forget(waiting)
        if len(waiting) >= self._max_queue and len(self._running) >= self._slots:
            raise Busy(f"{len(waiting)} requests are waiting already.", "Try again in a moment.", self.wait_seconds())
        now = time.monotonic()
        future = asyncio.get_running_loop().create_future()
        ticket = QueuedJob(line, item, run, needs, like, future, now, now + patience)
        waiting.append(ticket)
        self._pump()
        return ticket

    async def wait(self, ticket: QueuedJob[Any], gone: "asyncio.Future[Any] | None" = None) -> Any:
        """The ticket's answer, or None with ``ticket.answer`` cancelled once ``gone`` is done: the caller has left.

        Raises the job's error, and ``Busy`` when the ticket's patience ends before its job does.
        """
        watched = {ticket.answer, gone} if gone else {ticket.answer}
        left = ticket.deadline - time.monotonic()
        try:
            await asyncio.wait(watched, timeout=max(0.0, left), return_when=asyncio.FIRST_COMPLETED)
            if ticket.answer.done():
                return ticket.answer.result()
            if gone and gone.done():
                return None
            doing = "was waiting for its turn" if ticket.started is None else "was being worked on"
            spent = ticket.deadline - ticket.entered
            cure = "Try again later, or allow more time."
            raise Busy(f"The time of {spent:g} seconds was over while the request {doing}.", cure, self.wait_seconds())
        finally:
            ticket.answer.cancel()  # of no effect where it is done

    def wait_seconds(self) -> int:
        """When to come back: the queue's length by the time that jobs have taken lately, at least one second."""
        waiting = sum(len(line) for line in self._lines.values())
        return max(1, math.ceil(waiting * self._seconds / self._slots))

    @property
    def running(self) -> int:
        """Jobs at work."""
        return sum(len(group) for group in self._running)

    def running_in(self, line: str) -> int:
        """Jobs of this line at work."""
        return sum(len(group) for group in self._running if group[0].line == line)

    def waiting(self) -> list[QueuePlace]:
        """The jobs that wait, line by line."""
        now = time.monotonic()
        return [
            QueuePlace(name, position, ticket.request_id, now - ticket.entered, ticket.deadline - now)
            for name, line in self._lines.items()
            for position, ticket in enumerate((t for t in line if not t.answer.done()), start=1)
        ]

    def close(self) -> None:
        """Take no more work; what runs may end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    @staticmethod
    def _forget(line: deque[QueuedJob[Any]]) -> None:
        """Drop the tickets whose callers have left."""
        if any(ticket.answer.done() for ticket in line):
            kept = [ticket for ticket in line if not ticket.answer.done()]
            line.clear()
            line.extend(kept)

    def _pump(self) -> None:
        """Start what can be started."""
        while len(self._running) < self._slots and (group := self._next_group()):
            self._start(group)

    def _next_group(self) -> tuple[QueuedJob[Any], ...]:
        """The head of the line that was served longest ago, with those like it. Empty where nothing may begin."""
        for line in self._lines.values():
            self._forget(line)
        heads = [line[0] for line in self._lines.values() if line]
        oldest = min(heads, key=lambda ticket: ticket.entered, default=None)
        if oldest and not self._fits(oldest.needs) and time.monotonic() - oldest.entered > PATIENCE:
            return ()
        for head in sorted(heads, key=lambda ticket: self._served.get(ticket.line, 0.0)):
            if self._fits(head.needs):
                return self._gather(head)
        return ()

    def _gather(self, head: QueuedJob[Any]) -> tuple[QueuedJob[Any], ...]:
        line, group, needs = self._lines[head.line], [head], head.needs
        most = self._batch_of(head.line) if head.like is not None else 1
        for ticket in list(line)[1:]:
            if len(group) < most and ticket.like == head.like and self._fits(needs + ticket.needs):
                group.append(ticket)
                needs += ticket.needs
        for ticket in group:
            line.remove(ticket)
        return tuple(group)

    def _fits(self, needs: int) -> bool:
        if self.budget is None or not self._running:
            return True
        return needs + sum(ticket.needs for group in self._running for ticket in group) <= self.budget

    def _start(self, group: tuple[QueuedJob[Any], ...]) -> None:
        began = self._served[group[0].line] = time.monotonic()
        for ticket in group:
            ticket.started = began
        self._running.add(group)
        items = [ticket.item for ticket in group]
        work = asyncio.get_running_loop().run_in_executor(self._pool, group[0].context.run, group[0].run, items)
        work.add_done_callback(lambda done: self._ended(group, done))

    def _ended(self, group: tuple[QueuedJob[Any], ...], work: "asyncio.Future[list[JobResult]]") -> None:
        self._running.discard(group)
        if work.cancelled():
            outcomes: list[JobResult] = [(None, asyncio.CancelledError())] * len(group)
        elif error := work.exception():
            outcomes = [(None, error)] * len(group)
        else:
            outcomes = work.result()
        for ticket, (answer, failure) in zip(group, outcomes, strict=True):
            if ticket.answer.done():
                continue  # its caller has left
            if failure is None:
                ticket.answer.set_result(answer)
            else:
                ticket.answer.set_exception(failure)
        taken = time.monotonic() - (group[0].started or 0.0)
        self._seconds += 0.2 * (taken / len(group) - self._seconds)
        self._pump()
