"""How many bytes of bodies the server holds for all its callers together, those in the queue included."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maskery.errors import Busy

FREE_BYTES = 1 << 20
"""Of every request that are not refused: small requests are answered even while others fill the room."""


class Intake:
    """Pure ASGI: counts what each request has sent until it is answered; beyond ``limit`` bytes it raises ``Busy``."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app, self.limit, self.held = app, limit, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        mine = 0

        async def counted() -> Message:
            nonlocal mine
            message = await receive()
            size = len(message.get("body", b""))
            if mine + size > FREE_BYTES and self.held + size > self.limit:
                raise Busy(
                    f"Pictures of {self.held >> 20} MiB are waiting or at work; the limit is {self.limit >> 20}.",
                    "Try again in a moment.",
                )
            mine += size
            self.held += size
            return message

        try:
            await self.app(scope, counted, send)
        finally:
            self.held -= mine
