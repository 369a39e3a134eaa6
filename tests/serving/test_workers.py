import threading

import anyio
import pytest

from maskery.errors import Busy
from maskery.serving.workers import Workers


def test_no_more_at_once_than_allowed_and_the_rest_waits() -> None:
    at_work, most, lock = 0, 0, threading.Lock()

    def job() -> None:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        threading.Event().wait(0.02)
        with lock:
            at_work -= 1

    async def main() -> None:
        workers = Workers(concurrency=2, max_queue=20, timeout=10)
        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(workers.run, job)

    anyio.run(main)
    assert most == 2


def test_a_full_queue_is_refused_and_a_failure_frees_its_place() -> None:
    release = threading.Event()

    async def main() -> None:
        workers = Workers(concurrency=1, max_queue=1, timeout=10)
        async with anyio.create_task_group() as group:
            group.start_soon(workers.run, release.wait)
            await anyio.sleep(0.05)
            group.start_soon(workers.run, lambda: None)
            await anyio.sleep(0.05)
            with pytest.raises(Busy, match="waiting"):
                await workers.run(lambda: None)
            release.set()
        with pytest.raises(ZeroDivisionError):
            await workers.run(lambda: 1 // 0)
        assert await workers.run(lambda: 7) == 7

    anyio.run(main)


def test_waiting_has_an_end() -> None:
    release = threading.Event()

    async def main() -> None:
        workers = Workers(concurrency=1, max_queue=5, timeout=0.1)
        async with anyio.create_task_group() as group:
            group.start_soon(workers.run, release.wait)
            await anyio.sleep(0.02)
            with pytest.raises(Busy, match="No worker was free"):
                await workers.run(lambda: None)
            release.set()

    anyio.run(main)
