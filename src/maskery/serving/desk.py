"""Where every HTTP door brings its order: picture in, result out, off the event loop."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import anyio
import anyio.to_thread
import numpy as np
from numpy.typing import NDArray
from starlette.requests import ClientDisconnect, Request

from maskery import image, pipeline
from maskery.banded import BandedResult
from maskery.engine import preprocess
from maskery.errors import BadRequest
from maskery.image import Picture
from maskery.model_card import ModelCard
from maskery.pipeline import PLAIN, Model, Prepared, Stopwatch, Wish
from maskery.result import Result
from maskery.serving import record
from maskery.serving.fetch import Fetcher
from maskery.serving.memory import room_for
from maskery.serving.metrics import Metrics
from maskery.serving.notes import Notes
from maskery.serving.record import Record
from maskery.serving.residents import Residents
from maskery.serving.scheduler import Outcome, Scheduler
from maskery.settings import Settings

T = TypeVar("T")
Item = TypeVar("Item")
Fetch = Callable[[str], Awaitable[bytes]]

DEADLINE = "X-Request-Timeout"


@dataclass(frozen=True)
class Order:
    """One picture and what is wanted of it.

    ``source``: the file's bytes, or (H, W, 3) uint8 RGB. ``model``: a name, None for the default one. ``wish``: a
    wish, or what makes one of the opened picture. ``needs_photo``: whether the answer is drawn on the upright picture.
    ``upright``: whether the EXIF orientation is applied. ``protocol`` and ``format``: what metrics and logs call this
    order.
    """

    source: bytes | NDArray[np.uint8]
    model: str | None = None
    wish: Wish | Callable[[Picture], Wish] = PLAIN
    needs_photo: bool = False
    upright: bool = True
    protocol: str = "native"
    format: str = "json"


@dataclass(frozen=True)
class Served:
    """What ``finish`` is given. ``photo``: (H, W, 3) uint8, the picture, where the order needed it."""

    result: Result
    card: ModelCard
    picture: Picture
    photo: NDArray[np.uint8] | None


@dataclass(frozen=True)
class Job(Generic[T]):
    """An order whose picture's header was accepted, on its way through the queue."""

    order: Order
    picture: Picture
    wish: Wish
    model: Model
    finish: Callable[[Served], T]
    entered: float
    record: Record
    notes: Notes


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
            picture = await anyio.to_thread.run_sync(self._open, order, limiter=self._headers)
            wish = order.wish if isinstance(order.wish, Wish) else order.wish(picture)
            pipeline.check(wish, model.card)
            self.metrics.picture(picture.size_wh[0] * picture.size_wh[1], size_of(order.source))
            job = Job(order, picture, wish, model, finish, entered, known, self.notes)
            like = preprocess.place(picture.size_wh, model.card.input, wish.max_side).working_wh
            ticket = self.scheduler.enter(model.key, job, run_group, patience, like=like)
            if request is None:
                answer = await self.scheduler.wait(ticket)
            else:
                async with departure(request) as gone:
                    answer = await self.scheduler.wait(ticket, gone)
                    if ticket.answer.cancelled():
                        raise ClientDisconnect
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

    def _open(self, order: Order) -> Picture:
        settings = self.settings
        picture = image.open_picture(order.source, max_bytes=settings.max_bytes, max_pixels=settings.max_pixels)
        return picture if order.upright else as_stored(picture)

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
    heavy = max(full_decode_pixels(job.picture, job.order.needs_photo) for job in jobs)
    with room_for(heavy):
        for i, job in enumerate(jobs):
            try:
                watch = Stopwatch({"queue": round((began - job.entered) * 1000, 3)})
                prepared[i] = job.model.prepare(job.picture, job.wish, watch)
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
    result = job.model.finish(prepared, output)
    assert not isinstance(result, BandedResult)  # of a plan without a demand for bands
    with prepared.watch.stage("encode"):
        photo = job.picture.rgb() if job.order.needs_photo else None
        answer = job.finish(Served(result, job.model.card, job.picture, photo))
    job.notes.worked(job.record, job.model.key, result, prepared.watch.timings_ms)
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


def full_decode_pixels(picture: Picture, photo: bool) -> int:
    """Pixels that are decoded at full size: none of a JPEG whose photo is not drawn on, it is decoded reduced."""
    reduced = picture.format in ("JPEG", "MPO") and not photo
    return 0 if reduced else picture.size_wh[0] * picture.size_wh[1]
