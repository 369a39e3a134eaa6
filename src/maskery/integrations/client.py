"""A Maskery server from Python: the calls of ``maskery.load(...)``, answered by a server. Needs httpx2."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import anyio
import anyio.to_thread

from maskery.core.errors import BadRequest, MaskeryError, MissingExtra, RemoteError
from maskery.core.picture.decode import Picture, Source, open_picture
from maskery.core.picture.rows import steps
from maskery.core.result.instances import CropMask
from maskery.encode.options import PLAIN_OPTIONS, Options
from maskery.encode.raster import png
from maskery.encode.raster.npz import decode_npz
from maskery.integrations.exchange import (
    NOT_MASKERY,
    Call,
    Exchange,
    NoReply,
    Patience,
    Pause,
    Reply,
    exchange,
    parsed,
)
from maskery.integrations.prompt_query import PromptQuery, prompt_query
from maskery.integrations.remote_jobs import RemoteJobs
from maskery.models.segmented_picture import Segmentation

if TYPE_CHECKING:
    import httpx2

UNLIMITED = 1 << 40  # bytes and pixels: what is too large is for the server to say


@dataclass(frozen=True, kw_only=True)
class SegmentQuery:
    """What may be asked of a segmentation; the defaults are the server's.

    Attributes:
        model: A name of ``models()``; None = the server's first.
        task: In the place of a model: the server's first model that has this task.
        classes: Keep only these.
        max_side: Longest side, in pixels, of what the model sees.
        tile: Side, in pixels of the picture, of the tiles that it is cut into; 0 = none.
        score: Of single objects, those with a lower score are left out, 0..1.
        overlap: Two objects of one class that overlap by more are one, 0..1.
        max_objects: At most so many objects, the surest.
        options: Of the format.
    """

    model: str | None = None
    task: str | None = None
    classes: tuple[str, ...] = ()
    max_side: int | None = None
    tile: int | None = None
    score: float | None = None
    overlap: float | None = None
    max_objects: int | None = None
    options: Options = PLAIN_OPTIONS

    def call(self, picture: Picture, format: str) -> Call:
        """The request; what is not a file is sent as a PNG of the same pixels."""
        given = {
            "model": self.model,
            "task": self.task,
            "classes": ",".join(self.classes) or None,
            "max_side": self.max_side,
            "tile": self.tile,
            "score": self.score,
            "overlap": self.overlap,
            "max_objects": self.max_objects,
        }
        query = {name: str(value) for name, value in given.items() if value is not None}
        return Call(
            verb="POST",
            path="v1/segment",
            query={"format": format} | query | self.options.texts(),
            body=_file(picture),
        )


WHOLE = SegmentQuery()


def _file(picture: Picture) -> bytes:
    if isinstance(picture.source, bytes):
        return picture.source
    pixels = picture.rgb()
    bands = (pixels[top:bottom] for top, bottom in steps(len(pixels), png.band_rows(pixels[0].nbytes)))
    return png.photo(bands, picture.size_wh, channels=3)


def _call(query: SegmentQuery | PromptQuery, picture: Picture, format: str) -> Call:
    if isinstance(query, PromptQuery):
        return query.call(picture, format, _file(picture))
    return query.call(picture, format)


def _opened(source: Source) -> Picture:
    return open_picture(source, max_bytes=UNLIMITED, max_pixels=UNLIMITED)


def _segmentation(reply: Reply, picture: Picture) -> Segmentation:
    try:
        result = decode_npz(reply.body)
    except ValueError as error:
        raise RemoteError(f"The server's answer cannot be read: {error}.", "Use the server's version here.") from error
    if result.meta.frame.size_wh != picture.size_wh:
        raise RemoteError(f"The answer is {result.meta.frame.size_wh}, the picture {picture.size_wh}.", NOT_MASKERY)
    return Segmentation(result, picture)


def _library() -> None:
    try:
        import httpx2  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra("The client needs httpx2.", "Run: pip install 'maskery[client]'") from error


@dataclass(frozen=True, kw_only=True)
class _Connection:
    """How a server is reached.

    Attributes:
        url: Its address, with a slash at the end.
        headers: Of each request.
        patience: Time and retries of each question.
        at_once: Pictures that ``segment_many`` sends at the same time.
    """

    url: str
    headers: dict[str, str]
    patience: Patience
    at_once: int

    def questions(self, call: Call) -> Exchange:
        return exchange(call, self.patience)


def _connection(url: str, key: str | None, patience: Patience, at_once: int) -> _Connection:
    if not url.startswith(("http://", "https://")):
        raise BadRequest(f"The server's address is {url!r}.", "Give it as http://host:port.")
    if at_once < 1:
        raise BadRequest(f"at_once is {at_once}.", "Give 1 or more.")
    if key is not None and not (key.isascii() and key.isprintable() and key.strip()):
        raise BadRequest("The key has characters that no key has.", "Give it as it is in the server's list.")
    headers = {"User-Agent": "maskery"} | ({"Authorization": f"Bearer {key}"} if key else {})
    return _Connection(url=url.rstrip("/") + "/", headers=headers, patience=patience, at_once=at_once)


class Client:
    """A server at ``url``, "http://127.0.0.1:8000" say; ``key``: an API key, where the server asks for one.

    ``timeout``: seconds for one picture, retries included; the server knows them too. ``retries``: how often a busy or
    unreachable server is asked again. ``at_once``: pictures that ``segment_many`` has under way. Thread-safe. To be
    closed, or used as a context. Raises ``MissingExtra`` without httpx2, ``BadRequest`` for an argument out of range.
    """

    def __init__(
        self, url: str, key: str | None = None, *, timeout: float = 60.0, retries: int = 4, at_once: int = 4
    ) -> None:
        _library()
        import httpx2

        self._to = _connection(url, key, Patience(timeout, retries), at_once)
        self._http = httpx2.Client(base_url=self._to.url, headers=self._to.headers)

    def segment(
        self,
        source: Source,
        *,
        model: str | None = None,
        classes: tuple[str, ...] = (),
        max_side: int | None = None,
        tile: int | None = None,
        maps: tuple[str, ...] = (),
    ) -> Segmentation:
        """Segment a path, bytes, PIL image or numpy array, as ``Segmenter.segment`` does: the same arguments, the same
        ``Segmentation``. ``model``: a name of ``models()``; None = the server's first.

        Raises the errors of the local call (``PictureError``, ``TooLarge``, ``UnknownModel``, ``BadRequest`` ...),
        ``Unauthorized``, ``Busy`` where the server stays busy, ``RemoteError`` where it does not answer.
        """
        return self._segment(source, _asked(model, classes, max_side, tile, maps))

    def segment_many(
        self,
        sources: Iterable[Source],
        *,
        model: str | None = None,
        classes: tuple[str, ...] = (),
        max_side: int | None = None,
        tile: int | None = None,
        maps: tuple[str, ...] = (),
    ) -> list[Segmentation | MaskeryError]:
        """``segment`` of each, ``at_once`` of them at the same time, in order; in place of one that fails its error."""
        query = _asked(model, classes, max_side, tile, maps)

        def one(source: Source) -> Segmentation | MaskeryError:
            try:
                return self._segment(source, query)
            except MaskeryError as error:
                return error

        with ThreadPoolExecutor(self._to.at_once) as pool:
            return list(pool.map(one, sources))

    def interact(
        self,
        source: Source,
        points: Sequence[Sequence[float]] = (),
        labels: Sequence[bool] | None = None,
        box: Sequence[float] | None = None,
        *,
        previous: CropMask | None = None,
        candidates: int = 1,
        model: str | None = None,
    ) -> Segmentation:
        """What ``points``, (n, 2) x and y, and ``box``, two opposite corners, point at (docs/prompts.md).

        ``labels``: whether each point is on the object, None = all are; ``previous``: the mask of an answer that they
        correct. The candidates are ``result.instances``, best first. Raises as ``segment`` does.
        """
        query = prompt_query(points, labels, box, previous=previous, candidates=candidates, model=model)
        picture = _opened(source)
        return _segmentation(self._run(_call(query, picture, "npz")), picture)

    def answer(
        self,
        source: Source,
        format: str,
        query: SegmentQuery | PromptQuery = WHOLE,
        tell: Callable[[str], None] = lambda note: None,
    ) -> bytes:
        """The bytes of one of the server's formats. ``tell`` is called with what should be known of this answer, where
        there is something. Raises as ``segment`` does.
        """
        reply = self._run(_call(query, _opened(source), format))
        if note := reply.headers.get("maskery-note"):
            tell(note)
        return reply.body

    def models(self) -> list[dict[str, Any]]:
        """The cards of the models that can answer, the default first."""
        return list(parsed(self._run(Call(verb="GET", path="v1/models")))["models"])

    def status(self) -> dict[str, Any]:
        """Models, queues, memory and devices: ``/v1/status``."""
        found: dict[str, Any] = parsed(self._run(Call(verb="GET", path="v1/status")))
        return found

    @property
    def jobs(self) -> RemoteJobs:
        """Long work: many pictures, or a video."""
        return RemoteJobs(self._http)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _segment(self, source: Source, query: SegmentQuery) -> Segmentation:
        picture = _opened(source)
        return _segmentation(self._run(query.call(picture, "npz")), picture)

    def _run(self, call: Call) -> Reply:
        steps, outcome = self._to.questions(call), None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as done:
                reply: Reply = done.value
                return reply
            if isinstance(step, Pause):
                time.sleep(step.seconds)
                outcome = None
            else:
                outcome = self._send(step)

    def _send(self, call: Call) -> Reply | NoReply:
        import httpx2

        try:
            reply = self._http.request(
                call.verb,
                call.path,
                params=dict(call.query),
                content=call.body or None,
                headers=call.headers,
                timeout=call.timeout,
            )
        except httpx2.RequestError as error:
            return _no_reply(error, call)
        return Reply(reply.status_code, _lower(reply), reply.content)


class AsyncClient:
    """``Client`` for ``async`` code, with the same arguments: its methods are coroutines. For asyncio and trio."""

    def __init__(
        self, url: str, key: str | None = None, *, timeout: float = 60.0, retries: int = 4, at_once: int = 4
    ) -> None:
        _library()
        import httpx2

        self._to = _connection(url, key, Patience(timeout, retries), at_once)
        self._http = httpx2.AsyncClient(base_url=self._to.url, headers=self._to.headers)

    async def segment(
        self,
        source: Source,
        *,
        model: str | None = None,
        classes: tuple[str, ...] = (),
        max_side: int | None = None,
        tile: int | None = None,
        maps: tuple[str, ...] = (),
    ) -> Segmentation:
        """As ``Client.segment``; files are read and arrays packed in a thread."""
        return await self._segment(source, _asked(model, classes, max_side, tile, maps))

    async def segment_many(
        self,
        sources: Iterable[Source],
        *,
        model: str | None = None,
        classes: tuple[str, ...] = (),
        max_side: int | None = None,
        tile: int | None = None,
        maps: tuple[str, ...] = (),
    ) -> list[Segmentation | MaskeryError]:
        """As ``Client.segment_many``."""
        query, waiting = _asked(model, classes, max_side, tile, maps), list(sources)
        found: dict[int, Segmentation | MaskeryError] = {}
        turn = anyio.CapacityLimiter(self._to.at_once)

        async def one(place: int, source: Source) -> None:
            async with turn:
                try:
                    found[place] = await self._segment(source, query)
                except MaskeryError as error:
                    found[place] = error

        async with anyio.create_task_group() as group:
            for place, source in enumerate(waiting):
                group.start_soon(one, place, source)
        return [found[place] for place in range(len(waiting))]

    async def interact(
        self,
        source: Source,
        points: Sequence[Sequence[float]] = (),
        labels: Sequence[bool] | None = None,
        box: Sequence[float] | None = None,
        *,
        previous: CropMask | None = None,
        candidates: int = 1,
        model: str | None = None,
    ) -> Segmentation:
        """As ``Client.interact``."""
        query = prompt_query(points, labels, box, previous=previous, candidates=candidates, model=model)
        picture = await anyio.to_thread.run_sync(_opened, source)
        reply = await self._run(await anyio.to_thread.run_sync(_call, query, picture, "npz"))
        return await anyio.to_thread.run_sync(_segmentation, reply, picture)

    async def answer(
        self,
        source: Source,
        format: str,
        query: SegmentQuery | PromptQuery = WHOLE,
        tell: Callable[[str], None] = lambda note: None,
    ) -> bytes:
        """As ``Client.answer``."""
        picture = await anyio.to_thread.run_sync(_opened, source)
        reply = await self._run(await anyio.to_thread.run_sync(_call, query, picture, format))
        if note := reply.headers.get("maskery-note"):
            tell(note)
        return reply.body

    async def models(self) -> list[dict[str, Any]]:
        """As ``Client.models``."""
        return list(parsed(await self._run(Call(verb="GET", path="v1/models")))["models"])

    async def status(self) -> dict[str, Any]:
        """As ``Client.status``."""
        found: dict[str, Any] = parsed(await self._run(Call(verb="GET", path="v1/status")))
        return found

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def _segment(self, source: Source, query: SegmentQuery) -> Segmentation:
        picture = await anyio.to_thread.run_sync(_opened, source)
        reply = await self._run(await anyio.to_thread.run_sync(query.call, picture, "npz"))
        return await anyio.to_thread.run_sync(_segmentation, reply, picture)

    async def _run(self, call: Call) -> Reply:
        steps, outcome = self._to.questions(call), None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as done:
                reply: Reply = done.value
                return reply
            if isinstance(step, Pause):
                await anyio.sleep(step.seconds)
                outcome = None
            else:
                outcome = await self._send(step)

    async def _send(self, call: Call) -> Reply | NoReply:
        import httpx2

        try:
            reply = await self._http.request(
                call.verb,
                call.path,
                params=dict(call.query),
                content=call.body or None,
                headers=call.headers,
                timeout=call.timeout,
            )
        except httpx2.RequestError as error:
            return _no_reply(error, call)
        return Reply(reply.status_code, _lower(reply), reply.content)


def _asked(
    model: str | None, classes: tuple[str, ...], max_side: int | None, tile: int | None, maps: tuple[str, ...]
) -> SegmentQuery:
    """The query whose answer holds all that a result is."""
    options = Options(maps=tuple(maps), details=True)
    return SegmentQuery(model=model, classes=tuple(classes), max_side=max_side, tile=tile, options=options)


def _no_reply(error: "httpx2.RequestError", call: Call) -> NoReply:
    import httpx2

    late = isinstance(error, httpx2.TimeoutException)
    reason = f"the time of {call.timeout:.3g} seconds was over" if late else str(error) or type(error).__name__
    return NoReply(reason, late)


def _lower(reply: "httpx2.Response") -> dict[str, str]:
    return {name.lower(): value for name, value in reply.headers.items()}
