"""Around the whole application: each request is measured, logged and traced, once, when its answer is out."""

import time
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maskery.core.errors import MissingExtra
from maskery.serving.http import request_log
from maskery.serving.http.problems import CALLER_LEFT
from maskery.serving.http.request_log import own_path
from maskery.serving.telemetry import access_log
from maskery.serving.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from maskery.serving.telemetry.tracing import Tracing


# What is asked of a path that belongs to no protocol: the pages, health, paths that are not there.
OTHER = "other"


class Observe:
    """Pure ASGI. Reads what others wrote into the request's record."""

    def __init__(self, app: ASGIApp, metrics: Metrics, tracing: "Tracing | None" = None) -> None:
        self.app, self.metrics, self.tracing = app, metrics, tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, known = time.perf_counter(), request_log.begin()
        quiet = own_path(scope) in access_log.QUIET
        tracing = None if quiet else self.tracing
        span = tracing.begin(scope) if tracing else None

        async def counted_receive() -> Message:
            message = await receive()
            known.bytes_in += len(message.get("body", b""))
            return message

        async def counted_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                known.status = message["status"]
            known.bytes_out += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, counted_receive, counted_send)
        except Exception:
            known.status = known.status or 500
            raise
        finally:
            known.status = known.status or CALLER_LEFT
            known.protocol = known.protocol or OTHER
            seconds = time.perf_counter() - started
            self.metrics.answered(known.protocol, known.model, known.status, seconds)
            access_log.write(scope, known, seconds, quiet)
            if tracing and span:
                tracing.finish(span, scope, known)


def open_tracing(endpoint: str) -> "Tracing | None":
    """Tracing to the collector at ``endpoint``; None where that is empty.

    Raises ``MissingExtra`` without OpenTelemetry, ``ConfigError`` for what is no address.
    """
    if not endpoint:
        return None
    try:
        from maskery.serving.telemetry.tracing import to_collector
    except ImportError as error:
        raise MissingExtra("Tracing needs OpenTelemetry.", "Run: pip install 'maskery[otel]'") from error
    return to_collector(endpoint)
