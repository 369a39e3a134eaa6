"""One GET over one connection, trusting nothing that comes back."""

from http import HTTPStatus

import anyio
import h11
from anyio.abc import ByteStream

from maskery.core.errors import TooLarge, UrlNotFetched
from maskery.core.version import __version__
from maskery.serving.http.body_quota import hold
from maskery.serving.remote.url import Target

RECEIVE = 65_536
# What may come beside the body, headers and chunk sizes and bytes not yet parsed, and the body's share of it.
ENVELOPE_BYTES = 4 * RECEIVE
ENVELOPE_SHARE = 64
REDIRECTS = (301, 302, 303, 307, 308)

_TRY_AGAIN = "Try again, or send the picture's bytes."


async def get(stream: ByteStream, target: Target, max_bytes: int, credentials: str = "") -> bytes | str:
    """The body of a 200 answer, or where a redirect leads, percent-encoded. ``credentials``: sent as Authorization.

    Raises ``TooLarge`` (by Content-Length at once, else while reading), ``Busy`` where all callers' pictures together
    are too large, ``UrlNotFetched`` for any other answer, for a body that is encoded although none was asked for, and
    where the connection ends early or does not speak HTTP.
    """
    try:
        return await _Reader(stream, max_bytes).run(target, credentials)
    except h11.RemoteProtocolError as error:
        # Not h11's words: they quote what came, which may be another service's secret.
        raise UrlNotFetched(f"{target.host} did not answer in proper HTTP.", _TRY_AGAIN) from error
    except (OSError, anyio.BrokenResourceError) as error:
        raise UrlNotFetched(f"The connection to {target.host} broke.", _TRY_AGAIN) from error


class _Reader:
    def __init__(self, stream: ByteStream, max_bytes: int) -> None:
        self._stream, self._max_bytes = stream, max_bytes
        self._connection = h11.Connection(h11.CLIENT)
        self._received = 0
        self._body: list[bytes] = []
        self._size = 0

    async def run(self, target: Target, credentials: str) -> bytes | str:
        await self._ask(target, credentials)
        response = await self._event()
        while isinstance(response, h11.InformationalResponse):
            response = await self._event()
        if not isinstance(response, h11.Response):
            raise h11.RemoteProtocolError("no answer to the request")
        headers = {name: value.decode("latin-1") for name, value in response.headers}
        if response.status_code in REDIRECTS and headers.get(b"location"):
            return headers[b"location"]
        self._check(target, response.status_code, headers)
        while isinstance(event := await self._event(), h11.Data):
            hold(len(event.data))
            self._body.append(bytes(event.data))
            self._size += len(event.data)
            self._limit(self._size)
        return b"".join(self._body)

    async def _ask(self, target: Target, credentials: str) -> None:
        headers = {
            "Host": target.netloc,
            "User-Agent": f"maskery/{__version__}",
            "Accept": "image/*, */*;q=0.5",
            "Accept-Encoding": "identity",
            "Connection": "close",
        } | ({"Authorization": credentials} if credentials else {})
        request = h11.Request(method="GET", target=target.path, headers=list(headers.items()))
        await self._stream.send(
            (self._connection.send(request) or b"") + (self._connection.send(h11.EndOfMessage()) or b"")
        )

    async def _event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """The next event, reading as long as one is NEED_DATA."""
        while (event := self._connection.next_event()) is h11.NEED_DATA:
            try:
                data = await self._stream.receive(RECEIVE)
            except anyio.EndOfStream:
                data = b""
            self._received += len(data)
            if self._received - self._size > ENVELOPE_BYTES + self._size // ENVELOPE_SHARE:
                raise h11.RemoteProtocolError("more around the body than in it")
            self._connection.receive_data(data)
        return event

    def _check(self, target: Target, status: int, headers: dict[bytes, str]) -> None:
        if status != HTTPStatus.OK:
            phrase = HTTPStatus(status).phrase if status in list(HTTPStatus) else ""
            raise UrlNotFetched(f"{target.host} answered {status} {phrase}".strip() + ".", "Check the URL.")
        if headers.get(b"content-encoding", "identity").strip().lower() not in ("identity", ""):
            raise UrlNotFetched(f"{target.host} sends the picture compressed, unasked.", "Send the picture's bytes.")
        self._limit(int(headers.get(b"content-length", "0")))

    def _limit(self, size: int) -> None:
        if size > self._max_bytes:
            raise TooLarge(
                f"The picture at the URL has {size:,} bytes or more; the limit is {self._max_bytes:,}.",
                "Give a smaller picture, or raise MASKERY_MAX_BYTES.",
            )
