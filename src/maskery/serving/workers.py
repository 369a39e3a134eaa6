"""Threads for pictures: a few at work, some waiting, the rest told to come back."""

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from maskery.errors import Busy

T = TypeVar("T")


class Workers:
    """At most ``concurrency`` jobs at once and ``max_queue`` waiting, each at most ``timeout`` seconds."""

    def __init__(self, concurrency: int, max_queue: int, timeout: float) -> None:
        self._limiter = anyio.CapacityLimiter(concurrency)
        self._max_queue, self._timeout = max_queue, timeout
        self.waiting = 0

    async def run(self, job: Callable[[], T]) -> T:
        """Run ``job`` off the event loop. Raises ``Busy`` when the queue is full or the wait too long."""
        if self.waiting >= self._max_queue and self._limiter.available_tokens < 1:
            raise Busy(f"{self.waiting} requests are waiting already.", "Try again in a moment.")
        self.waiting += 1
        try:
            with anyio.fail_after(self._timeout):
                await self._limiter.acquire()
        except TimeoutError as error:
            raise Busy(f"No worker was free for {self._timeout:g} seconds.", "Try again later.") from error
        finally:
            self.waiting -= 1
        try:
            return await anyio.to_thread.run_sync(job, limiter=_unbounded)
        finally:
            self._limiter.release()


# Workers' own limiter counts; anyio's must not count a second time.
_unbounded = anyio.CapacityLimiter(1_000)
