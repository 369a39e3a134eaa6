"""The queue of each model: order, limits, batches, callers who leave."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from maskery.core.errors import BadRequest, Busy
from maskery.serving.runtime.scheduler import (
    BACKGROUND,
    INTERACTIVE,
    REMEMBERED_QUEUES,
    JobResult,
    QueuedJob,
    QueueTerms,
    Scheduler,
)

Body = Callable[[], Awaitable[None]]


def run(body: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(body(), 30))  # type: ignore[arg-type]


class Work:
    """An executor whose jobs wait for ``go``; it knows which groups ran, and how many at once."""

    def __init__(self, seconds: float = 0.0) -> None:
        self._threads = ThreadPoolExecutor(8)
        self.groups: list[list[str]] = []
        self.most, self._now, self._seconds = 0, 0, seconds
        self.go = threading.Event()
        self.go.set()
        self._lock = threading.Lock()

    def submit(self, items: Sequence[str]) -> "Future[list[JobResult]]":
        return self._threads.submit(self._run, items)

    def _run(self, items: Sequence[str]) -> list[JobResult]:
        with self._lock:
            self.groups.append(list(items))
            self._now += 1
            self.most = max(self.most, self._now)
        self.go.wait(10)
        time.sleep(self._seconds)
        with self._lock:
            self._now -= 1
        return [
            JobResult(error=BadRequest("broken")) if "broken" in item else JobResult(value=item.upper())
            for item in items
        ]


def enter(scheduler: Scheduler[str], queue: str, item: str, timeout: float | None = 10, **terms: int) -> QueuedJob[str]:
    return scheduler.enter(item, QueueTerms(queue=queue, timeout=timeout, **terms))


def test_no_more_at_once_than_slots_and_every_answer_to_its_caller() -> None:
    work = Work(0.02)

    async def body() -> None:
        scheduler = Scheduler(work.submit, slots=2, max_queue=20)
        jobs = [enter(scheduler, "m", f"job {i}") for i in range(8)]
        assert [place.position for place in scheduler.waiting()] == [1, 2, 3, 4, 5, 6]
        assert len(scheduler.running()) == 2
        assert await asyncio.gather(*map(scheduler.wait, jobs)) == [f"JOB {i}" for i in range(8)]
        assert scheduler.running() == []

    run(body)
    assert work.most == 2


def test_a_full_queue_is_refused_and_says_when_to_come_back() -> None:
    work = Work()
    work.go.clear()

    async def body() -> None:
        scheduler = Scheduler(work.submit, slots=1, max_queue=2)
        jobs = [enter(scheduler, "m", str(i)) for i in range(3)]
        with pytest.raises(Busy, match="2 requests are waiting") as refused:
            enter(scheduler, "m", "x")
        assert refused.value.retry_after >= 1
        enter(scheduler, "another model's queue", "y")
        work.go.set()
        await asyncio.gather(*map(scheduler.wait, jobs))

    run(body)


def test_what_fails_fails_alone() -> None:
    work = Work()

    async def body() -> None:
        scheduler = Scheduler(work.submit, slots=1, max_queue=9, batch_of=lambda item: 4)
        work.go.clear()
        jobs = [enter(scheduler, "m", name, like=1) for name in ("first", "a", "broken", "b")]
        work.go.set()
        answers = await asyncio.gather(*map(scheduler.wait, jobs), return_exceptions=True)
        assert answers[:2] == ["FIRST", "A"]
        assert answers[3] == "B"
        assert isinstance(answers[2], BadRequest)

    run(body)
    assert work.groups == [["first"], ["a", "broken", "b"]]


def test_a_crash_of_the_work_itself_reaches_its_callers_and_frees_the_slot() -> None:
    work = Work()

    def submit(items: Sequence[str]) -> "Future[list[JobResult]]":
        if items != ["crash"]:
            return work.submit(items)
        lost: Future[list[JobResult]] = Future()
        lost.set_exception(ZeroDivisionError())
        return lost

    async def body() -> None:
        scheduler = Scheduler(submit, slots=1, max_queue=9)
        with pytest.raises(ZeroDivisionError):
            await scheduler.wait(enter(scheduler, "m", "crash"))
        assert await scheduler.wait(enter(scheduler, "m", "next")) == "NEXT"

    run(body)


def test_only_like_sized_pictures_of_one_model_go_together() -> None:
    work = Work()

    async def body() -> None:
        scheduler = Scheduler(work.submit, slots=1, max_queue=20, batch_of=lambda item: 3 if item != "first" else 1)
        work.go.clear()
        first = enter(scheduler, "other", "first")
        jobs = [enter(scheduler, "batches", f"s{i}", like=1) for i in range(2)]
        jobs.append(enter(scheduler, "batches", "large", like=2))
        jobs += [enter(scheduler, "batches", f"s{i}", like=1) for i in (2, 3)]
        jobs += [enter(scheduler, "batches", "alone")]
        work.go.set()
        await asyncio.gather(*map(scheduler.wait, [first, *jobs]))

    run(body)
    assert work.groups == [["first"], ["s0", "s1", "s2"], ["large"], ["s3"], ["alone"]]


def test_a_caller_who_leaves_is_forgotten_and_the_others_of_the_batch_are_not() -> None:
    work = Work()

    async def body() -> None:
        scheduler = Scheduler(work.submit, slots=1, max_queue=9, batch_of=lambda item: 4)
        work.go.clear()
        running = enter(scheduler, "m", "running", like=1)
        waiting = [enter(scheduler, "m", name, like=1) for name in ("leaves", "stays")]
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
        scheduler = Scheduler(work.submit, slots=1, max_queue=9, batch_of=lambda item: 4)
        work.go.clear()
        first = enter(scheduler, "m", "first", like=1)
        two = [enter(scheduler, "m", name, like=1) for name in ("leaves", "stays")]
        callers = [asyncio.ensure_future(scheduler.wait(job)) for job in two]
        work.go.set()
        await scheduler.wait(first)
        callers[0].cancel()
        assert await callers[1] == "STAYS"

    run(body)
    assert work.groups[1] == ["leaves", "stays"]


def test_the_timeout_ends_the_waiting() -> None:
    work = Work()
    work.go.clear()

    async def body() -> None:
        scheduler = Scheduler(work.submit, slots=1, max_queue=9)
        running = enter(scheduler, "m", "running", timeout=0.05)
        waiting = enter(scheduler, "m", "waiting", timeout=0.02)
        with pytest.raises(Busy, match="waiting for its turn"):
            await scheduler.wait(waiting)
        with pytest.raises(Busy, match="being worked on"):
            await scheduler.wait(running)
        assert scheduler.waiting() == []
        work.go.set()
        assert await scheduler.wait(enter(scheduler, "m", "next")) == "NEXT"

    run(body)
    assert work.groups == [["running"], ["next"]]


def test_models_take_turns() -> None:
    work = Work(0.002)

    async def body() -> None:
        scheduler = Scheduler(work.submit, slots=1, max_queue=99)
        flood = [enter(scheduler, "flood", f"f{i}") for i in range(10)]
        one = enter(scheduler, "quiet", "q")
        await asyncio.gather(*map(scheduler.wait, [*flood, one]))

    run(body)
    assert [group[0] for group in work.groups].index("q") == 1


def test_needs_together_stay_within_the_budget_and_one_may_exceed_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(0.01)

    async def body() -> None:
        scheduler = Scheduler(work.submit, slots=4, max_queue=99, budget=100)
        jobs = [enter(scheduler, "m", "60", need_bytes=60) for _ in range(4)]
        assert len(scheduler.running()) == 1
        await asyncio.gather(*map(scheduler.wait, jobs))
        assert work.most == 1
        huge = enter(scheduler, "m", "huge", need_bytes=1000)
        assert len(scheduler.running()) == 1
        small = [enter(scheduler, "m", "s", need_bytes=10) for _ in range(3)]
        assert len(scheduler.running()) == 1
        await asyncio.gather(*map(scheduler.wait, [huge, *small]))
        # A large one is not overtaken for ever.
        monkeypatch.setattr("maskery.serving.runtime.scheduler.MEMORY_WAIT", 0.0)
        work.groups.clear()
        stream = [enter(scheduler, "m", "small", need_bytes=30) for _ in range(2)]
        stream.append(enter(scheduler, "m", "large", need_bytes=90))
        stream += [enter(scheduler, "n", "late", need_bytes=30) for _ in range(3)]
        await asyncio.gather(*map(scheduler.wait, stream))
        assert [group[0] for group in work.groups].index("large") <= 3  # the other queue may have one turn before

    run(body)


def test_a_film_beside_picture_requests_runs_only_where_no_picture_waits() -> None:
    work = Work(0.05)

    async def body() -> None:
        scheduler = Scheduler(work.submit, slots=1, max_queue=99)
        work.go.clear()
        frames = [enter(scheduler, "film", f"frame {i}", None, priority=BACKGROUND) for i in range(4)]
        pictures = [enter(scheduler, "everyday", f"picture {i}") for i in range(3)]
        assert next(place.item for place in scheduler.waiting()) == "frame 1"
        work.go.set()
        await asyncio.gather(*map(scheduler.wait, pictures))
        late = enter(scheduler, "everyday", "late picture")
        await asyncio.gather(*map(scheduler.wait, [late, *frames]))

    run(body)
    order = [group[0] for group in work.groups]
    assert order[:4] == ["frame 0", "picture 0", "picture 1", "picture 2"]
    assert order.index("late picture") <= 5  # one frame had begun before it came
    assert [name for name in order if "frame" in name] == [f"frame {i}" for i in range(4)]


def test_within_one_queue_the_higher_class_goes_first() -> None:
    work = Work()

    async def body() -> None:
        scheduler = Scheduler(work.submit, slots=1, max_queue=99)
        work.go.clear()
        first = enter(scheduler, "m", "first")
        jobs = [enter(scheduler, "m", f"low {i}", priority=BACKGROUND) for i in range(2)]
        jobs += [enter(scheduler, "m", f"high {i}") for i in range(2)]
        assert [(place.item, place.position) for place in scheduler.waiting()] == [
            ("high 0", 1), ("high 1", 2), ("low 0", 3), ("low 1", 4),
        ]  # fmt: skip
        work.go.set()
        await asyncio.gather(*map(scheduler.wait, [first, *jobs]))

    run(body)
    assert [group[0] for group in work.groups] == ["first", "high 0", "high 1", "low 0", "low 1"]


def test_a_lower_class_does_not_slip_past_a_higher_one_that_waits_for_memory() -> None:
    work = Work()

    async def body() -> None:
        scheduler = Scheduler(work.submit, slots=2, max_queue=99, budget=100)
        work.go.clear()
        running = enter(scheduler, "m", "running", need_bytes=80)
        large = enter(scheduler, "m", "large", need_bytes=50)
        small = enter(scheduler, "film", "small", need_bytes=10, priority=BACKGROUND)
        assert scheduler.running() == ["running"]
        work.go.set()
        await asyncio.gather(*map(scheduler.wait, [running, large, small]))

    run(body)
    assert [group[0] for group in work.groups].index("large") == 1


def test_a_job_without_a_timeout_waits_as_long_as_it_takes() -> None:
    work = Work(0.05)

    async def body() -> None:
        scheduler = Scheduler(work.submit, slots=1, max_queue=9)
        jobs = [enter(scheduler, "film", f"frame {i}", None) for i in range(3)]
        assert [place.seconds_left for place in scheduler.waiting()] == [None, None]
        assert await asyncio.gather(*map(scheduler.wait, jobs)) == ["FRAME 0", "FRAME 1", "FRAME 2"]

    run(body)


def test_jobs_of_several_models_in_one_queue_share_no_batch() -> None:
    work = Work()

    async def body() -> None:
        scheduler = Scheduler(work.submit, slots=1, max_queue=20, batch_of=lambda item: 8)
        work.go.clear()
        first = enter(scheduler, "tenant", "first")
        jobs = [
            scheduler.enter(f"{model} {i}", QueueTerms(queue="tenant", like=(model, (400, 300))))
            for i in range(2)
            for model in ("a", "b")
        ]
        work.go.set()
        await asyncio.gather(*map(scheduler.wait, [first, *jobs]))

    run(body)
    assert work.groups == [["first"], ["a 0", "a 1"], ["b 0", "b 1"]]


def test_when_to_come_back_counts_only_what_goes_before() -> None:
    work = Work()
    work.go.clear()

    async def body() -> None:
        scheduler = Scheduler(work.submit, slots=1, max_queue=999)
        scheduler._mean_seconds = 1.0
        for i in range(41):
            enter(scheduler, "film", str(i), None, priority=BACKGROUND)
        enter(scheduler, "m", "picture")
        assert scheduler.wait_seconds(BACKGROUND) == 41
        assert scheduler.wait_seconds(INTERACTIVE) == 1

    try:
        run(body)
    finally:
        work.go.set()


def test_names_of_queues_do_not_add_up() -> None:
    work = Work()

    async def body() -> None:
        scheduler = Scheduler(work.submit, slots=1, max_queue=9)
        for i in range(REMEMBERED_QUEUES + 10):
            await scheduler.wait(enter(scheduler, f"tenant {i}", "x"))
        assert len(scheduler._last_turn) == REMEMBERED_QUEUES
        assert len(scheduler._queues) <= 1
        assert list(scheduler._last_turn)[-1] == f"tenant {REMEMBERED_QUEUES + 9}"

    run(body)
