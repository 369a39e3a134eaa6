"""Where every HTTP door brings its order: picture in, result out, off the event loop."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
import anyio.to_thread
from starlette.requests import ClientDisconnect, Request

from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest
from maskery.core.picture import decode
from maskery.core.picture.decode import Picture
from maskery.core.plan import Plan
from maskery.core.process_memory import give_back, resident_bytes
from maskery.core.settings import Settings, parse_bytes
from maskery.inference.pipeline import Model, RunOptions
from maskery.serving.http import request_log
from maskery.serving.remote.fetch import Fetcher
from maskery.serving.runtime.memory_budget import TOGETHER, Budget, share
from maskery.serving.runtime.model_pool import ModelPool, PooledModel
from maskery.serving.runtime.request import Outcome, SegmentRequest, as_stored
from maskery.serving.runtime.scheduler import Scheduler
from maskery.serving.runtime.worker import InferenceJob, run_group
from maskery.serving.telemetry.events import Events
from maskery.serving.telemetry.metrics import Metrics
from maskery.serving.telemetry.status import Change

T = TypeVar("T")
Item = TypeVar("Item")
Fetch = Callable[[str], Awaitable[bytes]]

DEADLINE = "X-Request-Timeout"


class InferenceService:
    """The models, their queues and the workers behind all doors."""

    def __init__(self, settings: Settings, fetcher: Fetch | None = None) -> None:
        self.settings, self.began = settings, time.monotonic()
        self.metrics = Metrics()
        self.notes = Events(self.metrics)
        self.pool = ModelPool(settings, self._model_changed)
        self.scheduler = Scheduler(settings.concurrency, settings.max_queue, TOGETHER, self.pool.batch_of)
        self.budget: Budget | None = None
        self.fetcher = fetcher or Fetcher(settings).fetch
        self._headers = anyio.CapacityLimiter(4)

    async def serve(self, order: SegmentRequest, finish: Callable[[Outcome], T], request: Request | None = None) -> T:
        """Segment the order's picture and give what ``finish`` makes of it; both run in a worker thread.

        With ``request`` its deadline header counts, and the order is dropped when its caller leaves
        (``ClientDisconnect``). Raises the errors of ``open_picture`` and ``Model.run``, ``UnknownModel``,
        ``NotPulled``, ``ModelError``, ``Busy``.
        """
        entered, patience = time.perf_counter(), self._patience(request)
        known = request_log.current()
        known.protocol, known.format = order.protocol, order.format
        async with self.pool.lease(order.model) as model:
            known.model = model.key
            picture, run_options, plan = await anyio.to_thread.run_sync(
                self._planned, order, model, limiter=self._headers
            )
            self.metrics.picture(picture.size_wh[0] * picture.size_wh[1], order.bytes)
            job = InferenceJob(picture, run_options, plan, model, finish, entered, known, self.notes)
            ticket = self.scheduler.enter(model.key, job, run_group, patience, plan.need_bytes, job.like)
            try:
                if request is None:
                    answer = await self.scheduler.wait(ticket)
                else:
                    async with departure(request) as gone:
                        answer = await self.scheduler.wait(ticket, gone)
                        if ticket.answer.cancelled():
                            raise ClientDisconnect
            finally:
                job.left.set()
            value: T = answer
            return value

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
                task.cancel()  # of no effect where it is done

    async def card(self, name: str | None = None) -> ModelCard:
        """The card of a model that can answer, loaded or not; None = the default.

        Raises ``UnknownModel``, ``NotPulled``.
        """
        if pooled := self.pool.known(name):
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

    def load_all(self) -> None:
        """Load the models of the settings and share the memory. Raises the first error; ``ConfigError``."""
        self.pool.load_all()
        if self.settings.memory and self.budget is None:
            give_back()
            memory = parse_bytes("memory", self.settings.memory)
            models = self.pool.loaded_bytes
            self.budget = share(memory, resident_bytes(), models, self.settings.max_waiting_bytes)
            self.pool.budget = self.budget.models
            self._share_work()

    def _model_changed(self, pooled: PooledModel, change: Change) -> None:
        self.notes.changed(pooled.key, pooled.card, change)
        self._share_work()

    def _share_work(self) -> None:
        if self.budget:
            self.scheduler.budget = self.budget.work(self.pool.loaded_bytes)

    def _planned(self, order: SegmentRequest, model: Model) -> tuple[Picture, RunOptions, Plan]:
        """Read the header and plan the work. Raises as ``open_picture`` and ``Model.plan`` do."""
        settings = self.settings
        picture = decode.open_picture(order.source, max_bytes=settings.max_bytes, max_pixels=settings.max_pixels)
        if not order.upright:
            picture = as_stored(picture)
        run_options = order.run_options if isinstance(order.run_options, RunOptions) else order.run_options(picture)
        return (
            picture,
            run_options,
            model.plan(picture, run_options, order.demand, self.scheduler.budget if self.budget else None),
        )

    def _patience(self, request: Request | None) -> float:
        """Seconds that a request may take: the caller's own limit, if it is shorter than the server's."""
        text = request.headers.get(DEADLINE) if request else None
        if text is None:
            return self.settings.timeout
        try:
            seconds = float(text)
        except ValueError:
            seconds = float("nan")
        if not 0 < seconds < float("inf"):
            raise BadRequest(f"{DEADLINE} is {text[:40]!r}.", f"Give seconds, {DEADLINE}: 2.5 say.")
        return min(seconds, self.settings.timeout)


@asynccontextmanager
async def departure(request: Request) -> AsyncIterator["asyncio.Future[None]"]:
    """A future that is done once the caller of ``request``, whose body was read, has left."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    gone = asyncio.ensure_future(watch())
    try:
        yield gone
    finally:
        gone.cancel()
