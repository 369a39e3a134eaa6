"""The id of a request, and what is known of it while it is answered, for logs, metrics and traces."""

import re
import time
import uuid
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Request-ID"
# What is taken over from a caller: nothing that could break a line of the log or a header.
SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")

request_id: ContextVar[str] = ContextVar("request_id", default="-")
"""The id of the request that the running code works for, also in worker threads; ``-`` outside of requests."""


class RequestIds:
    """Pure ASGI: takes a sane ``X-Request-ID`` of the caller or makes one, and puts it into the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        name = given if SANE.fullmatch(given) else uuid.uuid4().hex
        # Never reset: each request is a task with a context of its own, and the server logs a crash after this call.
        request_id.set(name)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = name
            await send(message)

        await self.app(scope, receive, send_with_id)


def own_path(scope: Scope) -> str:
    """The path below the prefix at which the application is mounted, as the router compares it.

    To be asked before the router: a mount below moves the prefix.
    """
    path: str = scope["path"]
    prefix: str = scope.get("root_path", "")
    inside = path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/")
    return path[len(prefix) :] if inside else path


@dataclass(frozen=True, slots=True)
class PictureTimings:
    """One picture of a request: milliseconds by stage in the order in which they ran, and when the last one ended."""

    timings_ms: Mapping[str, float]
    ended_ns: int


@dataclass(slots=True, kw_only=True)
class RequestLog:
    """What metrics and logs say of one request; names are of ours, never a caller's text.

    Attributes:
        protocol: name of the protocol.
        model: name of the model.
        format: format of the answer.
        problem: code of an error; empty = there was none.
        status: HTTP status; 0 until an answer begins.
        bytes_in: size of the request's body.
        bytes_out: size of the answer's body.
        fetch_ms: milliseconds spent on fetching the picture that is worked on next.
        pictures: timings of the pictures that are done, in their order.
    """

    protocol: str = ""
    model: str = ""
    format: str = ""
    problem: str = ""
    status: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    fetch_ms: float = 0.0
    pictures: list[PictureTimings] = field(default_factory=list)

    def worked(self, timings_ms: Mapping[str, float]) -> None:
        """A picture is done, now."""
        self.pictures.append(PictureTimings(timings_ms, time.time_ns()))


_current: ContextVar[RequestLog | None] = ContextVar("record", default=None)


def begin() -> RequestLog:
    """The record of a request that has just come; ``current`` in all code that works for it."""
    record = RequestLog()
    # Never reset: each request is a task with a context of its own.
    _current.set(record)
    return record


def current() -> RequestLog:
    """The record of the request that the running code works for; outside of requests one that nobody reads."""
    return _current.get() or RequestLog()
