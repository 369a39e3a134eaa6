"""How many bytes of pictures the server holds for all its callers together, those in the queue included."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maskery.core.errors import Busy, TooLarge

FREE_BYTES = 1 << 20
"""Of every request that are not refused: small requests are answered even while others fill the room."""


class BodyQuota:
    """Pure ASGI: counts what each request has sent until it is answered; beyond ``limit`` bytes it raises ``Busy``."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app, self.limit, self.held = app, limit, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        share = _Share(self)
        _share.set(share)

        async def counted() -> Message:
            message = await receive()
            share.add(len(message.get("body", b"")))
            return message

        try:
            await self.app(scope, counted, send)
        finally:
            share.release()


class _Share:
    """What one request holds."""

    def __init__(self, body_quota: BodyQuota | None) -> None:
        self._intake = body_quota
        self._bytes = 0

    def add(self, size: int) -> None:
        body_quota = self._intake
        if body_quota is None:
            return  # a task of a request that is answered already
        if self._bytes + size > max(FREE_BYTES, body_quota.limit):
            raise TooLarge(
                f"The request has more than {body_quota.limit:,} bytes, all that may wait here together.",
                "Send a smaller picture, or give the server more: --memory, MASKERY_MAX_WAITING_BYTES.",
            )
        if self._bytes + size > FREE_BYTES and body_quota.held + size > body_quota.limit:
            raise Busy(
                f"Pictures of {body_quota.held >> 20} MiB are waiting or at work; "
                f"the limit is {body_quota.limit >> 20}.",
                "Try again in a moment.",
            )
        self._bytes += size
        body_quota.held += size

    def subtract(self, size: int) -> None:
        if self._intake:
            self._bytes -= size
            self._intake.held -= size

    def like(self) -> "_Share":
        """Another one, empty."""
        return _Share(self._intake)

    def release(self) -> None:
        if self._intake:
            self._intake.held -= self._bytes
            self._intake = None


_share: ContextVar[_Share | None] = ContextVar("share", default=None)


def hold(size: int) -> None:
    """Count ``size`` bytes that came from elsewhere as if the caller had sent them. Raises ``Busy``, ``TooLarge``."""
    share = _share.get()
    if share:
        share.add(size)


def let_go(size: int) -> None:
    """Bytes of the present request that are on the disk now, and no longer held."""
    share = _share.get()
    if share:
        share.subtract(size)


@contextmanager
def apart() -> Iterator[None]:
    """What is held within the block is let go at its end instead of with its request. For one picture of many."""
    share = _share.get()
    own = share.like() if share else None
    token = _share.set(own)
    try:
        yield
    finally:
        _share.reset(token)
        if own:
            own.release()
