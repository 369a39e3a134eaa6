"""Around the whole application: each request is measured, logged and traced, once, when its answer is out."""

import time
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maskery.serving import access_log
from maskery.serving.metrics import Metrics
from maskery.serving.record import record_of

# What proxies, too, call a request whose caller left before an answer began.
CALLER_LEFT = 499


# What is asked of a path that belongs to no protocol: the pages, health, paths that are not there.
OTHER = "other"


class Observe:
    """Pure ASGI. Reads what others wrote into the request's record. ``protocols``: route path -> protocol."""

    def __init__(self, app: ASGIApp, metrics: Metrics, protocols: Mapping[str, str]) -> None:
        self.app, self.metrics, self.protocols = app, metrics, protocols

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, record = time.perf_counter(), record_of(scope)

        async def counted_receive() -> Message:
            message = await receive()
            record.bytes_in += len(message.get("body", b""))
            return message

        async def counted_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
            record.bytes_out += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, counted_receive, counted_send)
        except Exception:
            record.status = record.status or 500
            raise
        finally:
            record.status = record.status or CALLER_LEFT
            record.protocol = self.protocols.get(getattr(scope.get("route"), "path", ""), OTHER)
            seconds = time.perf_counter() - started
            self.metrics.answered(record.protocol, record.model, record.status, seconds)
            access_log.write(scope, record, seconds)
