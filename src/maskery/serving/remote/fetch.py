"""A picture by URL: from the public internet or the allow-list, and from nowhere else.

The host is looked up once, every address of the answer is checked, and the connection goes to a checked address; a
redirect goes through all of it again. Proxies of the environment are not used: a proxy looks the host up by itself, and
what was checked here would not be what it connects to.
"""

import logging
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cached_property
from urllib.parse import quote, urljoin
from urllib.request import getproxies

import anyio
from anyio.abc import ByteStream

from maskery.core.errors import BadUrl, PrivateHost, TooManyRedirects, UnknownHost, UrlNotFetched
from maskery.core.settings import Settings
from maskery.serving.remote import address, url
from maskery.serving.remote.url import AllowList, Target

log = logging.getLogger("maskery")

REDIRECTS = 5
ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
CONNECT_SECONDS = 5.0
ADDRESSES_TRIED = 3
AT_ONCE = 8
"""Fetches at work, each with up to ``max_bytes`` in memory; more wait, within their time."""

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""(host, port) -> every address of the host. Raises ``OSError``."""
Connect = Callable[[str, int, ssl.SSLContext | None, str], Awaitable[ByteStream]]
"""(address, port, context for TLS or None, name in the certificate) -> a connection. Raises ``OSError``."""


async def resolve(host: str, port: int) -> list[str]:
    rows = await anyio.getaddrinfo(host.encode(), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in rows))


async def connect(address: str, port: int, context: ssl.SSLContext | None, name: str) -> ByteStream:
    if context is None:
        return await anyio.connect_tcp(address, port)
    # Not standard_compatible: many servers end a body without TLS's own goodbye; a picture cut off shows when decoded.
    return await anyio.connect_tcp(address, port, ssl_context=context, tls_hostname=name, tls_standard_compatible=False)


class Fetcher:
    """Made once per server. ``resolve`` and ``connect`` are seams for tests."""

    def __init__(
        self,
        settings: Settings,
        resolve: Resolve = resolve,
        connect: Connect = connect,
        credentials: Mapping[str, str] | None = None,
    ) -> None:
        """``credentials``: the value of Authorization by origin, ``https://HOST[:PORT]``; sent there and nowhere else.

        Raises ``ConfigError`` for an allow-list that means nothing.
        """
        self._credentials = credentials or {}
        self._allowed = AllowList(settings.url_allow)
        self._mode = "off" if settings.offline else settings.url_input
        self._max_bytes, self._seconds = settings.max_bytes, settings.url_timeout
        self._resolve, self._connect = resolve, connect
        self._limiter = anyio.CapacityLimiter(AT_ONCE)
        if self._mode != "off" and {"http", "https", "all"} & getproxies().keys():
            log.warning("pictures by URL are fetched directly: the proxy of the environment is not used for them")

    async def fetch(self, url_text: str) -> bytes:
        """The bytes at a URL, whatever their type: ``image.open_picture`` says what they are.

        Raises ``BadUrl`` for a URL that is not fetched, ``UrlNotFetched`` when its server does not give the picture
        in time, ``TooLarge`` beyond ``max_bytes``, ``Busy`` where all callers' pictures together are too large.
        """
        if self._mode == "off":
            raise BadUrl("This server fetches no pictures by URL.", "Send the picture's bytes.")
        target = self._admit(url.parse(url_text))
        try:
            with anyio.fail_after(self._seconds):
                async with self._limiter:
                    return await self._follow(target)
        except TimeoutError as error:
            raise UrlNotFetched(
                f"{target.host} did not give the picture within {self._seconds:g} seconds.", "Send the picture's bytes."
            ) from error

    async def _follow(self, target: Target) -> bytes:
        from maskery.serving.remote import http_get  # h11 is loaded by the first fetch, not by every start

        for _ in range(REDIRECTS + 1):
            async with self._connected(target) as stream:
                credentials = self._credentials.get(target.origin, "")
                answer = await http_get.get(stream, target, self._max_bytes, credentials)
            if isinstance(answer, bytes):
                return answer
            target = self._redirected(target, answer)
        raise TooManyRedirects(f"The URL redirects more than {REDIRECTS} times.", "Give the picture's final address.")

    def _admit(self, target: Target) -> Target:
        """Raises ``BadUrl`` for what is refused before any look-up."""
        if self._allowed.has(target):
            return target
        if self._mode == "allow-list":
            raise BadUrl(f"{target.netloc} is not on this server's list of hosts.", "Send the picture's bytes.")
        if target.port not in url.PORTS:
            ports = ", ".join(map(str, url.PORTS))
            raise BadUrl(f"Port {target.port} is not allowed; allowed are {ports}.", "Send the picture's bytes.")
        if not target.is_address and "." not in target.host:
            raise PrivateHost(f"{target.host} is not a public name.", "Give the host's full name.")
        return target

    def _redirected(self, target: Target, location: str) -> Target:
        try:
            # A header is Latin-1 on the wire; what lies beyond ASCII in it is bytes that somebody forgot to encode.
            address_text = quote(location.strip(), safe=url.PRINTABLE, encoding="latin-1")
            # urljoin makes http:///x, which is no address, to one of this host.
            whole = address_text if ABSOLUTE.match(address_text) else urljoin(target.url, address_text)
            following = self._admit(url.parse(whole))
        except ValueError as error:
            raise BadUrl(
                "The URL redirects to something that is no URL.", "Give the picture's final address."
            ) from error
        except BadUrl as error:
            raise type(error)(f"The URL redirects to a forbidden one. {error.message}", error.cure) from error
        if target.scheme == "https" and following.scheme == "http":
            raise BadUrl("The URL redirects from https to http.", "Give an address that stays with https.")
        return following

    async def _addresses(self, target: Target) -> list[str]:
        """Where the host is, all of it checked. Raises ``BadUrl``, ``UrlNotFetched``."""
        try:
            found = [target.host] if target.is_address else await self._resolve(target.host, target.port)
        except OSError as error:
            raise UnknownHost(f"There is no host {target.host}.", "Check the URL.") from error
        listed = self._allowed.has(target)
        for text in found:
            how = address.reach(text)
            own = how == "public" and address.is_own(text)
            if (how == "public" and not own) or (how != "closed" and listed):
                continue
            what = "this machine" if own else how
            log.info("a picture by URL was refused: %s is at %s, which is %s", target.netloc, text, what)
            raise PrivateHost(f"{target.host} is not a public host.", "Send the picture's bytes.")
        return found[:ADDRESSES_TRIED]

    @asynccontextmanager
    async def _connected(self, target: Target) -> AsyncIterator[ByteStream]:
        stream = await self._reach(target, await self._addresses(target))
        try:
            yield stream
        finally:
            await anyio.aclose_forcefully(stream)

    async def _reach(self, target: Target, addresses: list[str]) -> ByteStream:
        """A connection to the first address that answers."""
        context = self._context if target.scheme == "https" else None
        reason: Exception | None = None
        for text in addresses:
            try:
                with anyio.fail_after(CONNECT_SECONDS):
                    return await self._connect(text, target.port, context, target.host)
            except ssl.SSLCertVerificationError as error:
                message = f"The certificate of {target.host} is not valid: {error.verify_message}."
                raise UrlNotFetched(message, "Give another address, or send the picture's bytes.") from error
            except (OSError, anyio.BrokenResourceError) as error:  # TimeoutError is an OSError
                reason = error
        raise UrlNotFetched(f"No connection to {target.netloc} could be made.", "Check the URL.") from reason

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context()
