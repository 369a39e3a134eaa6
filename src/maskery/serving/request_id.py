"""A name for every request, in its answer and in the log."""

import re
import uuid
from contextvars import ContextVar

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
