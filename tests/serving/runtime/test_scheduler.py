"""The queue of each model: order, limits, batches, callers who leave."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence

import pytest

from maskery.core.errors import BadRequest, Busy
from maskery.serving.runtime.scheduler import JobResult, Scheduler

Body = Callable[[], Awaitable[None]]


def run(body: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(body(), 30))  # type: ignore[arg-type]


class Work:
    """Jobs that wait for ``go`` and tell which groups ran, and how many at once."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.groups: list[list[str]] = []
        self.most, self._now, self._seconds = 0, 0, seconds
        self.go = threading.Event()
        self.go.set()
        self._lock = threading.Lock()

    def __call__(self, items: Sequence[str]) -> list[JobResult]:
        with self._lock:
            self.groups.append(list(items))
            self._now += 1
            self.most = max(self.most, self._now)
        self.go.wait(10)
        time.sleep(self._seconds)
        with self._lock:
            self._now -= 1
        return [(None, BadRequest("broken")) if "broken" in item else (item.upper(), None) for item in items]


def test_no_more_at_once_than_slots_and_every_answer_to_its_caller() -> None:
    work = Work(0.02)

    async def body() -> None:
        scheduler = Scheduler(slots=2, max_queue=20)
        tickets = [scheduler.enter("m", f"job {i}", work, 10) for i in range(8)]
        assert [place.position for place in scheduler.waiting()] == [1, 2, 3, 4, 5, 6]
        assert scheduler.running == 2
        assert await asyncio.gather(*map(scheduler.wait, tickets)) == [f"JOB {i}" for i in range(8)]
        assert scheduler.running == 0

    run(body)
    assert work.most == 2


def test_a_full_queue_is_refused_and_says_when_to_come_back() -> None:
    work = Work()
    work.go.clear()

    async def body() -> None:
        scheduler = Scheduler(slots=1, max_queue=2)
        tickets = [scheduler.enter("m", str(i), work, 10) for i in range(3)]
        with pytest.raises(Busy, match="2 requests are waiting") as refused:
            scheduler.enter("m", "x", work, 10)
        assert refused.value.retry_after >= 1
        scheduler.enter("another model's queue", "y", work, 10)
        work.go.set()
        await asyncio.gather(*map(scheduler.wait, tickets))

    run(body)


def test_what_fails_fails_alone() -> None:
    work = Work()

    async def body() -> None:
        scheduler = Scheduler(slots=1, max_queue=9, batch_of=lambda line: 4)
        work.go.clear()
        tickets = [scheduler.enter("m", name, work, 10, like=1) for name in ("first", "a", "broken", "b")]
        work.go.set()
        answers = await asyncio.gather(*map(scheduler.wait, tickets), return_exceptions=True)
        assert answers[:2] == ["FIRST", "A"]
        assert answers[3] == "B"
        assert isinstance(answers[2], BadRequest)

    run(body)
    assert work.groups == [["first"], ["a", "broken", "b"]]


def test_a_crash_of_the_work_itself_reaches_its_callers_and_frees_the_slot() -> None:
    def crash(items: Sequence[str]) -> list[JobResult]:
        raise ZeroDivisionError

    async def body() -> None:
        scheduler = Scheduler(slots=1, max_queue=9)
        with pytest.raises(ZeroDivisionError):
            await scheduler.wait(scheduler.enter("m", "x", crash, 10))
        assert await scheduler.wait(scheduler.enter("m", "next", Work(), 10)) == "NEXT"

    run(body)


def test_only_like_sized_pictures_of_one_model_go_together() -> None:
    work = Work()

    async def body() -> None:
        scheduler = Scheduler(slots=1, max_queue=20, batch_of=lambda line: 3 if line == "batches" else 1)
        work.go.clear()
        first = scheduler.enter("other", "first", work, 10)
        tickets = [scheduler.enter("batches", f"s{i}", work, 10, like="small") for i in range(2)]
        tickets.append(scheduler.enter("batches", "large", work, 10, like="large"))
        tickets += [scheduler.enter("batches", f"s{i}", work, 10, like="small") for i in (2, 3)]
        tickets += [scheduler.enter("batches", "alone", work, 10, like=None)]
        work.go.set()
        await asyncio.gather(*map(scheduler.wait, [first, *tickets]))

    run(body)
    assert work.groups == [["first"], ["s0", "s1", "s2"], ["large"], ["s3"], ["alone"]]


def test_a_caller_who_leaves_is_forgotten_and_the_others_of_the_batch_are_not() -> None:
    work = Work()

    async def body() -> None:
        scheduler = Scheduler(slots=1, max_queue=9, batch_of=lambda line: 4)
        work.go.clear()
        running = scheduler.enter("m", "running", work, 10, like=1)
        waiting = [scheduler.enter("m", name, work, 10, like=1) for name in ("leaves", "stays")]
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        leaver = asyncio.ensure_future(scheduler.wait(waiting[0], gone))
        also = asyncio.ensure_future(scheduler.wait(running, gone))
        await asyncio.sleep(0.01)
        gone.set_result(None)
        assert await leaver is None
        assert await also is None
        assert [place.position for place in scheduler.waiting()] == [1]
        work.go.set()
        assert await scheduler.wait(waiting[1]) == "STAYS"

    run(body)
    assert work.groups == [["running"], ["stays"]]


def test_the_batch_goes_on_when_one_of_its_callers_leaves_while_it_runs() -> None:
    work = Work()

    async def body() -> None:
        scheduler = Scheduler(slots=1, max_queue=9, batch_of=lambda line: 4)
        work.go.clear()
        first = scheduler.enter("m", "first", work, 10, like=1)
        two = [scheduler.enter("m", name, work, 10, like=1) for name in ("leaves", "stays")]
        callers = [asyncio.ensure_future(scheduler.wait(ticket)) for ticket in two]
        work.go.set()
        await scheduler.wait(first)
        callers[0].cancel()
        assert await callers[1] == "STAYS"

    run(body)
    assert work.groups[1] == ["leaves", "stays"]


def test_patience_ends() -> None:
    work = Work()
    work.go.clear()

    async def body() -> None:
        scheduler = Scheduler(slots=1, max_queue=9)
        running = scheduler.enter("m", "running", work, 0.05)
        waiting = scheduler.enter("m", "waiting", work, 0.02)
        with pytest.raises(Busy, match="waiting for its turn"):
            await scheduler.wait(waiting)
        with pytest.raises(Busy, match="being worked on"):
            await scheduler.wait(running)
        assert scheduler.waiting() == []
        work.go.set()
        assert await scheduler.wait(scheduler.enter("m", "next", work, 10)) == "NEXT"

    run(body)
    assert work.groups == [["running"], ["next"]]


def test_models_take_turns() -> None:
    work = Work(0.002)

    async def body() -> None:
        scheduler = Scheduler(slots=1, max_queue=99)
        flood = [scheduler.enter("flood", f"f{i}", work, 10) for i in range(10)]
        one = scheduler.enter("quiet", "q", work, 10)
        await asyncio.gather(*map(scheduler.wait, [*flood, one]))

    run(body)
    assert [group[0] for group in work.groups].index("q") == 1


def test_needs_together_stay_within_the_budget_and_one_may_exceed_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(0.01)

    async def body() -> None:
        scheduler = Scheduler(slots=4, max_queue=99, budget=100)
        tickets = [scheduler.enter("m", "60", work, 10, needs=60) for _ in range(4)]
        assert scheduler.running == 1
        await asyncio.gather(*map(scheduler.wait, tickets))
        assert work.most == 1
        huge = scheduler.enter("m", "huge", work, 10, needs=1000)
        assert scheduler.running == 1
        small = [scheduler.enter("m", "s", work, 10, needs=10) for _ in range(3)]
        assert scheduler.running == 1
        await asyncio.gather(*map(scheduler.wait, [huge, *small]))
        # A large one is not overtaken for ever.
        monkeypatch.setattr("maskery.serving.runtime.scheduler.PATIENCE", 0.0)
        work.groups.clear()
        stream = [scheduler.enter("m", "small", work, 10, needs=30) for _ in range(2)]
        stream.append(scheduler.enter("m", "large", work, 10, needs=90))
        stream += [scheduler.enter("n", "late", work, 10, needs=30) for _ in range(3)]
        await asyncio.gather(*map(scheduler.wait, stream))
        assert [group[0] for group in work.groups].index("large") <= 3  # the other line may have one turn before

    run(body)
