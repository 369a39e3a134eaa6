"""Where every HTTP door brings its order: picture in, result out, off the event loop."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import anyio
import anyio.to_thread
import numpy as np
from numpy.typing import NDArray
from starlette.requests import ClientDisconnect, Request

from maskery import image
from maskery.banded import BandedResult
from maskery.engine.memory_plan import Demand
from maskery.engine.source import Photo, PhotoRows, photo_of
from maskery.errors import BadRequest, Busy
from maskery.image import Picture
from maskery.model_card import ModelCard
from maskery.pipeline import PLAIN, Model, Prepared, Stopwatch, Wish
from maskery.plan import Plan
from maskery.result import Result
from maskery.serving import record
from maskery.serving.budget import Budget, settle
from maskery.serving.fetch import Fetcher
from maskery.serving.memory import room_for
from maskery.serving.metrics import Metrics
from maskery.serving.notes import Notes
from maskery.serving.record import Record
from maskery.serving.residents import Residents
from maskery.serving.scheduler import Outcome, Scheduler, Ticket
from maskery.settings import Settings
from maskery.sizes import parse_bytes

T = TypeVar("T")
Item = TypeVar("Item")
Fetch = Callable[[str], Awaitable[bytes]]

DEADLINE = "X-Request-Timeout"


@dataclass(frozen=True)
class Order:
    """One picture and what is wanted of it.

    ``source``: the file's bytes, or (H, W, 3) uint8 RGB. ``model``: a name, None for the default one. ``wish``: a
    wish, or what makes one of the opened picture. ``needs_photo``: whether the answer is drawn on the upright picture;
    ``demand`` instead: all that writing it takes. ``upright``: whether the EXIF orientation is applied. ``protocol``
    and ``format``: what metrics and logs call this order.
    """

    source: bytes | NDArray[np.uint8]
    model: str | None = None
    wish: Wish | Callable[[Picture], Wish] = PLAIN
    needs_photo: bool = False
    upright: bool = True
    protocol: str = "native"
    format: str = "json"
    demand: Demand | None = None

    @property
    def takes(self) -> Demand:
        """What writing its answer takes."""
        return self.demand or Demand(photo=self.needs_photo)


@dataclass(frozen=True)
class Served:
    """What ``finish`` is given. ``found``, ``drawn_on``: in bands only where the order's demand allows that."""

    found: Result | BandedResult
    card: ModelCard
    picture: Picture
    drawn_on: Photo | None
    plan: Plan

    @property
    def result(self) -> Result:
        """``found`` in one piece."""
        return self.found.whole() if isinstance(self.found, BandedResult) else self.found

    @property
    def photo(self) -> NDArray[np.uint8] | None:
        """(H, W, 3) uint8, the upright picture, where the order needed it."""
        assert not isinstance(self.drawn_on, PhotoRows)
        return self.drawn_on


@dataclass(frozen=True)
class Job(Generic[T]):
    """An order whose picture's header was accepted, on its way through the queue."""

    order: Order
    picture: Picture
    wish: Wish
    plan: Plan
    model: Model
    finish: Callable[[Served], T]
    entered: float
    record: Record
    notes: Notes
    left: threading.Event = field(default_factory=threading.Event)
    """Set once nobody waits for the answer."""


class Desk:
    """The models, their queues and the workers behind all doors."""

    def __init__(self, settings: Settings, fetcher: Fetch | None = None) -> None:
        self.settings, self.began = settings, time.monotonic()
        self.metrics = Metrics()
        self.notes = Notes(self.metrics)
        self.residents = Residents(settings, lambda one, change: self.notes.changed(one.key, one.card, change))
        self.scheduler = Scheduler(settings.concurrency, settings.max_queue, batch_of=self.residents.batch_of)
        self.fetcher = fetcher or Fetcher(settings).fetch
        self._headers = anyio.CapacityLimiter(4)
        self._total = parse_bytes("memory", settings.memory) if settings.memory else None
        self._budget: Budget | None = None

    def settle(self) -> None:
        """Share out the memory of the settings, once the models are loaded. Raises ``ConfigError`` for too little."""
        if self._total is not None:
            self._budget = settle(self._total, self.residents.loaded_bytes)
            self.residents.budget = self._budget.models

    @property
    def budget(self) -> int | None:
        """Bytes that requests at work may take together; None = no limit."""
        return self._budget.requests(self.residents.loaded_bytes) if self._budget else None

    async def serve(self, order: Order, finish: Callable[[Served], T], request: Request | None = None) -> T:
        """Segment the order's picture and give what ``finish`` makes of it; both run in a worker thread.

        With ``request`` its deadline header counts, and the order is dropped when its caller leaves
        (``ClientDisconnect``). Raises the errors of ``open_picture`` and ``Model.run``, ``UnknownModel``,
        ``NotPulled``, ``ModelError``, ``Busy``.
        """
        entered, patience = time.perf_counter(), self._patience(request)
        known = record.current()
        known.protocol, known.format = order.protocol, order.format
        async with self.residents.lease(order.model) as model:
            known.model = model.key
            budget = self.budget
            opened = await anyio.to_thread.run_sync(self._open, order, model, budget, limiter=self._headers)
            picture, _, plan = opened
            self.metrics.picture(picture.size_wh[0] * picture.size_wh[1], size_of(order.source))
            job = Job(order, *opened, model, finish, entered, known, self.notes)
            self.scheduler.budget = budget
            like = None if plan.tiles else plan.working_wh
            ticket = self.scheduler.enter(model.key, job, run_group, patience, plan.need_bytes, like)
            try:
                answer: T = await self._answer(ticket, request)
            finally:
                job.left.set()
            return answer

    async def _answer(self, ticket: Ticket[Any], request: Request | None) -> Any:
        if request is None:
            return await self.scheduler.wait(ticket)
        async with departure(request) as gone:
            answer = await self.scheduler.wait(ticket, gone)
            if ticket.answer.cancelled():
                raise ClientDisconnect
            return answer

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
        if resident := self.residents.known(name):
            return resident.card
        return await anyio.to_thread.run_sync(self.residents.card, name)

    async def cards(self) -> list[ModelCard]:
        """Every model that can answer now, the default first."""
        return await anyio.to_thread.run_sync(self.residents.cards)

    async def fetch(self, url: str, fetcher: Fetch | None = None) -> bytes:
        """The bytes of a picture by its address, by the rules of docs/security.md. Raises as ``Fetcher.fetch``."""
        started = time.perf_counter()
        try:
            return await (fetcher or self.fetcher)(url)
        finally:
            record.current().fetch_ms += (time.perf_counter() - started) * 1000

    def _open(self, order: Order, model: Model, budget: int | None) -> tuple[Picture, Wish, Plan]:
        """Read the header, and decide how the picture is worked on."""
        settings = self.settings
        picture = image.open_picture(order.source, max_bytes=settings.max_bytes, max_pixels=settings.max_pixels)
        picture = picture if order.upright else as_stored(picture)
        wish = order.wish if isinstance(order.wish, Wish) else order.wish(picture)
        return picture, wish, model.plan(picture, wish, order.takes, budget)

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


def run_group(jobs: Sequence[Job[Any]]) -> list[Outcome]:
    """Work on jobs of one model, whose tensors have one shape if they are several. What fails, fails alone."""
    outcomes: list[Outcome] = [(None, None)] * len(jobs)
    began = time.perf_counter()
    prepared: dict[int, Prepared] = {}
    with room_for(max(heavy_pixels(job) for job in jobs)):
        for i, job in enumerate(jobs):
            watch = Stopwatch({"queue": round((began - job.entered) * 1000, 3)})
            try:
                if job.plan.tiles:
                    outcomes[i] = _tiled(job, watch), None
                    continue
                prepared[i] = job.model.prepare(job.picture, job.wish, watch, job.plan)
            except Exception as error:
                outcomes[i] = None, error
        try:
            outputs = jobs[0].model.infer(list(prepared.values())) if prepared else []
            if outputs:
                jobs[0].notes.ran(jobs[0].model.key, len(outputs))
        except Exception as error:
            return [(None, outcome[1] or error) for outcome in outcomes]
        for (i, one), output in zip(prepared.items(), outputs, strict=True):
            try:
                outcomes[i] = _finished(jobs[i], one, output), None
            except Exception as error:
                outcomes[i] = None, error
    return outcomes


def _finished(job: Job[T], prepared: Prepared, output: NDArray[np.generic]) -> T:
    return _written(job, job.model.finish(prepared, output), prepared.watch)


def _tiled(job: Job[T], watch: Stopwatch) -> T:
    def heed() -> None:
        if job.left.is_set():
            raise Busy("Nobody waits for this answer any more.", "Ask again.")

    return _written(job, job.model.follow(job.plan, job.picture, job.wish, watch, heed), watch)


def _written(job: Job[T], found: Result | BandedResult, watch: Stopwatch) -> T:
    with watch.stage("encode"):
        photo = photo_of(job.picture, job.plan)
        answer = job.finish(Served(found, job.model.card, job.picture, photo, job.plan))
    job.notes.worked(job.record, job.model.key, found, watch.timings_ms)
    return answer


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


def size_of(source: bytes | NDArray[np.uint8]) -> int:
    """Bytes of an order's picture."""
    return len(source) if isinstance(source, bytes) else source.nbytes


def as_stored(picture: Picture) -> Picture:
    """The picture without its EXIF orientation."""
    size = picture.size_wh[::-1] if picture.orientation >= 5 and picture.format != "TIFF" else picture.size_wh
    return replace(picture, orientation=1, size_wh=size)


def heavy_pixels(job: Job[Any]) -> int:
    """Pixels that are decoded at full size: none of a JPEG whose photo is not drawn on, it is decoded reduced."""
    whole = "whole" in (job.plan.decode, job.plan.photo) or job.plan.tiles is not None
    return job.picture.size_wh[0] * job.picture.size_wh[1] if whole else 0
