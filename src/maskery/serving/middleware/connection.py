"""Uvicorn's HTTP/1.1 connection with the limits that it leaves open: connections, heads, readers who do not read."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 65_536
HEAD_SECONDS = 15.0
"""For a request's head, from its first byte, and for the first request from the connection's start."""
READ_SECONDS = 20.0
"""Within which a caller must take at least one byte of an answer that waits."""
LINGER_SECONDS = 2.0
"""How long an answer given before the whole body had come may be read, before the connection ends."""


def connection_class(most: int) -> type[HttpToolsProtocol]:
    """Connections of which at most ``most`` are open at once; further ones are closed at once."""

    class Connection(_Bounded):
        limit = most

    return Connection


class _Bounded(HttpToolsProtocol):
    limit = 0
    _head_bytes, _in_head = 0, True
    _messages, _whole = 0, True
    _late_head: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.limit:
            self.logger.warning("more than %d connections: one was closed", self.limit)
            transport.abort()
            return
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._late_head, self._unread):
            if timer:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self.send_400_response(f"The head of the request is larger than {HEAD_BYTES} bytes.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes, self._in_head = 0, True
        self._messages, self._whole = self._messages + 1, False
        self._expect_head()

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._late_head:
            self._late_head.cancel()
            self._late_head = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._whole = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._whole and not self.transport.is_closing():
            self.loop.call_later(LINGER_SECONDS, self._end_unwanted, self._messages)
        self._expect_reading(self.transport.get_write_buffer_size())

    def _expect_head(self) -> None:
        if self._late_head is None:
            self._late_head = self.loop.call_later(HEAD_SECONDS, self._end_late_head)

    def _end_late_head(self) -> None:
        if self._in_head and not self.transport.is_closing():
            self.send_400_response(f"The head of the request did not come within {HEAD_SECONDS:g} seconds.")

    def _end_unwanted(self, message: int) -> None:
        """End the connection if the body of ``message``, which was answered, still comes."""
        if self._messages == message and not self._whole:
            self.transport.abort()

    def _expect_reading(self, left: int) -> None:
        if self._unread:
            self._unread.cancel()
        self._unread = self.loop.call_later(READ_SECONDS, self._check_reading, left) if left else None

    def _check_reading(self, before: int) -> None:
        left = self.transport.get_write_buffer_size()
        if left and left >= before:
            self.transport.abort()
        else:
            self._expect_reading(left)
