"""Where every protocol brings its requests: picture in, written answer out, off the event loop."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread
from starlette.requests import ClientDisconnect, Request

from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest
from maskery.core.picture import decode
from maskery.core.picture.headers import is_brief
from maskery.core.plan import RunOptions
from maskery.core.process_memory import give_back, resident_bytes
from maskery.core.settings import Settings
from maskery.inference.pipeline import Model
from maskery.serving.http import request_log
from maskery.serving.http.request_log import RequestLog
from maskery.serving.remote.fetch import Fetcher
from maskery.serving.runtime.executor import Executor, ThreadExecutor
from maskery.serving.runtime.memory_budget import UNLIMITED_WORK_BYTES, Budget, MemoryLimit, memory_limit, share
from maskery.serving.runtime.model_pool import Loader, ModelPool, PooledModel
from maskery.serving.runtime.request import InferenceJob, SegmentRequest, Writers, as_stored
from maskery.serving.runtime.scheduler import JobResult, QueueTerms, Scheduler
from maskery.serving.telemetry.events import Events
from maskery.serving.telemetry.metrics import Metrics
from maskery.serving.telemetry.status import Change

if TYPE_CHECKING:
    from maskery.serving.runtime.job_runner import JobRunner

T = TypeVar("T")
Item = TypeVar("Item")
Fetch = Callable[[str], Awaitable[bytes]]

TIMEOUT_HEADER = "X-Request-Timeout"


@dataclass(frozen=True)
class PendingJob:
    """A job with what stays in this process: the log of its request, and when that came (``time.perf_counter``)."""

    job: InferenceJob
    log: RequestLog
    entered: float


class InferenceService:
    """The models, their queues and the executor behind all protocols.

    ``writers``: the table whose names answers give; ``loader``: finds and opens models; ``fetcher``: gets pictures by
    their addresses, None = over the network.
    """

    def __init__(self, settings: Settings, writers: Writers, loader: Loader, fetcher: Fetch | None = None) -> None:
        self.settings, self.began = settings, time.monotonic()
        self.metrics = Metrics()
        self.events = Events(self.metrics)
        self.pool = ModelPool(settings, loader, self._model_changed)
        self.executor: Executor = ThreadExecutor(settings.concurrency, self.pool.loaded, writers)
        self.scheduler: Scheduler[PendingJob] = Scheduler(
            self._submit,
            settings.concurrency,
            settings.max_queue,
            UNLIMITED_WORK_BYTES,
            lambda pending: self.pool.batch_of(pending.job.model),
        )
        self.memory_limit = memory_limit(settings.memory)
        self._most_embeddings = self.pool.embeddings.limit
        self.budget: Budget | None = None
        self._loaded = False
        self.jobs = _job_runner(settings)
        self.fetcher = fetcher or Fetcher(settings).fetch
        self._headers = anyio.CapacityLimiter(4)
        self._job_ids = itertools.count(1)

    async def segment(self, request: SegmentRequest[T], http_request: Request | None = None) -> T:
        """Segment the request's picture and write its answer, both in the executor.

        With ``http_request`` its timeout header and the server's timeout count, and the job is dropped when the caller
        leaves (``ClientDisconnect``). Raises the errors of ``open_picture``, ``Model.run`` and the writer,
        ``UnknownModel``, ``NotPulled``, ``ModelError``, ``Busy``.
        """
        entered, log = time.perf_counter(), request_log.current()
        limits = (request.timeout, self._timeout(http_request) if http_request else None)
        timeout = min((limit for limit in limits if limit is not None), default=None)
        log.protocol, log.format = request.protocol, request.format
        async with self.pool.lease(request.model) as model:
            log.model = model.key
            if isinstance(request.source, bytes) and is_brief(request.source):
                job = self._planned(request, model)  # quicker than a change of threads
            else:
                job = await anyio.to_thread.run_sync(self._planned, request, model, limiter=self._headers)
            self.metrics.picture(job.picture.size_wh[0] * job.picture.size_wh[1], request.bytes)
            terms = QueueTerms(
                queue=request.queue or model.key,
                timeout=timeout,
                need_bytes=job.plan.need_bytes,
                like=job.like,
                priority=request.priority,
            )
            try:
                answer: T = await self._answer(PendingJob(job, log, entered), terms, http_request)
            finally:
                self.executor.cancel(job.id)  # without effect where it is done
            return answer

    async def _answer(self, pending: PendingJob, terms: QueueTerms, http_request: Request | None) -> T:
        queued = self.scheduler.enter(pending, terms)
        if http_request is None:
            value: T = await self.scheduler.wait(queued)
            return value
        async with disconnection(http_request) as gone:
            value = await self.scheduler.wait(queued, gone)
            if queued.answer.cancelled():
                raise ClientDisconnect
            return value

    def job_states(self) -> dict[str, int] | None:
        """How many jobs are in each state; None where none are taken."""
        return self.jobs.store.states() if self.jobs else None

    async def each(self, work: Callable[[Item], Awaitable[T]], items: Sequence[Item]) -> list[T]:
        """``work`` on all ``items`` of one request, no more of them at once than can go together. In order.

        The first error ends the others.
        """
        turn = asyncio.Semaphore(max(self.settings.concurrency, self.settings.max_batch))

        async def one(item: Item) -> T:
            async with turn:
                return await work(item)

        tasks = [asyncio.ensure_future(one(item)) for item in items]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()  # without effect where it is done

    async def card(self, name: str | None = None) -> ModelCard:
        """The card of a model that can answer, loaded or not; None = the default.

        Raises ``UnknownModel``, ``NotPulled``.
        """
        if pooled := self.pool.registered(name):
            return pooled.card
        return await anyio.to_thread.run_sync(self.pool.card, name)

    async def cards(self) -> list[ModelCard]:
        """Every model that can answer now, the default first."""
        return await anyio.to_thread.run_sync(self.pool.cards)

    async def fetch(self, url: str, fetcher: Fetch | None = None) -> bytes:
        """The bytes of a picture by its address, by the rules of docs/security.md. Raises as ``Fetcher.fetch``."""
        started = time.perf_counter()
        try:
            return await (fetcher or self.fetcher)(url)
        finally:
            request_log.current().fetch_ms += (time.perf_counter() - started) * 1000

    def load_all(self, limit: MemoryLimit | None = None) -> None:
        """Load the models of the settings and share the memory; without effect where that is done.

        ``limit``: what the process may take, for its owner to say; None = by the settings alone. Raises the first
        error; ``ConfigError`` where the memory does not suffice.
        """
        if self._loaded:
            return
        self.memory_limit = limit or self.memory_limit
        self.pool.load_all()
        if self.memory_limit.bytes is not None:
            give_back()
        loaded = self.pool.loaded_bytes
        self.budget = share(self.memory_limit, resident_bytes(), loaded, self.settings.max_waiting_bytes)
        self.pool.budget = self.budget.models if self.budget else None
        self._share_work()
        self._loaded = True

    def close(self) -> None:
        """Take no more work; what runs may end."""
        self.executor.close()

    def _model_changed(self, pooled: PooledModel, change: Change) -> None:
        self.events.changed(pooled.key, pooled.card, change)
        self._share_work()

    def _share_work(self) -> None:
        if self.budget:
            loaded, held = self.pool.loaded_bytes, 0
            if self.pool.prompted:
                held = self.budget.embeddings(loaded, self._most_embeddings)
                self.pool.embeddings.limit = held
            self.scheduler.budget = self.budget.work(loaded) - held

    def _planned(self, request: SegmentRequest[T], model: Model) -> InferenceJob:
        """Read the header and plan the work. Raises as ``open_picture`` and ``Model.plan`` do."""
        settings = self.settings
        picture = decode.open_picture(request.source, max_bytes=settings.max_bytes, max_pixels=settings.max_pixels)
        if not request.upright:
            picture = as_stored(picture)
        options = request.run_options
        options = options if isinstance(options, RunOptions) else options(picture)
        plan = model.plan(picture, options, request.demand, self.scheduler.budget if self.budget else None)
        return InferenceJob(
            id=next(self._job_ids),
            picture=picture,
            model=model.key,
            plan=plan,
            answer=request.answer,
            request_id=request_log.request_id.get(),
        )

    def _submit(self, pending: Sequence[PendingJob]) -> "Future[list[JobResult]]":
        """Hand a group to the executor; its results are counted before its callers have them."""
        now = time.perf_counter()
        jobs = [replace(one.job, queued_ms=round((now - one.entered) * 1000, 3)) for one in pending]
        work = self.executor.submit(jobs)
        work.add_done_callback(lambda done: self._count(pending, done))
        return work

    def _count(self, pending: Sequence[PendingJob], work: "Future[list[JobResult]]") -> None:
        if work.cancelled() or work.exception():
            return
        results = work.result()
        if batch := max(result.batch for result in results):
            self.events.ran(pending[0].job.model, batch)
        for one, result in zip(pending, results, strict=True):
            if result.error is None:
                self.events.worked(one.log, one.job.model, result.timings_ms, result.shares)

    def _timeout(self, http_request: Request) -> float:
        """Seconds that a request may take: the caller's own limit, if it is shorter than the server's."""
        text = http_request.headers.get(TIMEOUT_HEADER)
        if text is None:
            return self.settings.timeout
        try:
            seconds = float(text)
        except ValueError:
            seconds = float("nan")
        if not 0 < seconds < float("inf"):
            raise BadRequest(f"{TIMEOUT_HEADER} is {text[:40]!r}.", f"Give seconds, {TIMEOUT_HEADER}: 2.5 say.")
        return min(seconds, self.settings.timeout)


@asynccontextmanager
async def disconnection(request: Request) -> AsyncIterator["asyncio.Future[None]"]:
    """A future that is done once the caller of ``request``, whose body was read, has left."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    gone = asyncio.ensure_future(watch())
    try:
        yield gone
    finally:
        gone.cancel()


def _job_runner(settings: Settings) -> "JobRunner | None":
    """None where the settings name no folder for jobs; then nothing of them is loaded."""
    if not settings.jobs:
        return None
    from maskery.serving.runtime.job_runner import JobRunner

    return JobRunner(settings)
