"""One GET over a connection that says what it likes."""

import anyio
import pytest
from anyio.abc import ByteStream

from maskery.core.errors import TooLarge, UrlNotFetched
from maskery.serving.remote.http_get import get
from maskery.serving.remote.url import parse


class Canned(ByteStream):
    """Answers with ``parts``, one a read, and keeps what was sent."""

    def __init__(self, *parts: bytes) -> None:
        self.parts, self.sent = list(parts), b""

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        if not self.parts:
            raise anyio.EndOfStream
        return self.parts.pop(0)

    async def send(self, item: bytes) -> None:
        self.sent += item

    async def send_eof(self) -> None: ...

    async def aclose(self) -> None: ...


def fetched(stream: Canned, max_bytes: int = 100, credentials: str = "") -> bytes | str:
    async def run() -> bytes | str:
        return await get(stream, parse("http://photos.example/a.jpg?b=c"), max_bytes, credentials)

    return anyio.run(run)


def test_a_body_in_parts() -> None:
    stream = Canned(b"HTTP/1.1 200 OK\r\nContent-", b"Length: 4\r\n\r\nab", b"cd")
    assert fetched(stream, credentials="Token x") == b"abcd"
    assert stream.sent.startswith(b"GET /a.jpg?b=c HTTP/1.1\r\n")
    assert b"Token x" in stream.sent


def test_no_credentials_where_none_are_given() -> None:
    stream = Canned(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")
    fetched(stream)
    assert b"authorization" not in stream.sent.lower()


def test_a_redirect_is_where_it_leads() -> None:
    assert fetched(Canned(b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n")) == "/b"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\na",
        b"SSH-2.0-OpenSSH_9.6 secret\r\n",
        b"",
    ],
)
def test_what_is_no_picture_s_answer(answer: bytes) -> None:
    with pytest.raises(UrlNotFetched) as error:
        fetched(Canned(answer))
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("head", [b"Content-Length: 101\r\n\r\n", b"Connection: close\r\n\r\n" + b"x" * 101])
def test_too_many_bytes(head: bytes) -> None:
    with pytest.raises(TooLarge):
        fetched(Canned(b"HTTP/1.1 200 OK\r\n" + head))
