"""A task's value for its picture -> the picture's bytes."""

import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote, urlsplit

import anyio.to_thread
import msgspec

from maskery.core.errors import BadUrl, ConfigError
from maskery.core.settings import Settings
from maskery.serving.http.json_body import from_base64
from maskery.serving.remote import url
from maskery.serving.remote.fetch import Fetcher

# Where Label Studio keeps pictures, or leads to them. Nothing else is asked of it with its token.
OWN_PATHS = re.compile(r"/(data|storage-data)/.+|/(tasks|projects)/\d+/(resolve|presign)/?\?.+")
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


KEPT_SECONDS = 60.0
KEPT_BYTES = 16 << 20
"""Of all pictures that somebody is clicking at; the latest one may exceed it."""

Fetch = Callable[[str], Awaitable[bytes]]


class FetchWith(Protocol):
    """``InferenceService.fetch``: gets a picture by its address, with the service's own fetcher or another one."""

    async def __call__(self, url: str, fetcher: Fetch | None = None, /) -> bytes: ...


@dataclass(frozen=True)
class KeptPicture:
    """A picture that was fetched, and when, of ``time.monotonic``."""

    data: bytes
    since: float


class TaskPictures:
    """Made once per server. ``own_fetch`` gets Label Studio's own pictures; None = over the network."""

    def __init__(self, settings: Settings, fetch: FetchWith, own_fetch: Fetch | None = None) -> None:
        """Raises ``ConfigError`` for a ``label_studio_url`` that is none."""
        self._max_bytes, self._fetch = settings.max_bytes, fetch
        self._home = _home(settings)
        self._kept: OrderedDict[str, KeptPicture] = OrderedDict()
        self._own_fetch = own_fetch or (_fetcher(settings, self._home).fetch if self._home else None)

    async def read(self, value: str) -> bytes:
        """The bytes behind ``value``: a data URL, an address, or a path on the Label Studio of the settings.

        Raises ``BadRequest`` for anything else, and as ``InferenceService.fetch``.
        """
        if value.startswith("data:"):
            return await anyio.to_thread.run_sync(from_base64, value, self._max_bytes)
        if value.startswith("/"):
            return await self._own(value)
        scheme = SCHEME.match(value)
        if scheme is None or scheme[0].lower() not in ("http:", "https:"):
            what = scheme[0] if scheme else value[:80]
            cure = "In Label Studio's cloud storage settings, switch on pre-signed URLs; or use http(s) or data URLs."
            raise BadUrl(f"Pictures at {what!r} cannot be fetched.", cure)
        target = url.parse(value)
        if self._home and target.origin == self._home.origin:
            return await self._own(target.url.removeprefix(self._home.url.rstrip("/")))
        return await self._fetch(value)

    async def read_again(self, value: str) -> bytes:
        """As ``read``, for a picture that somebody is clicking at: it is fetched once in ``KEPT_SECONDS``."""
        if value.startswith("data:"):
            return await self.read(value)
        now = time.monotonic()
        while self._kept and (now - next(iter(self._kept.values())).since > KEPT_SECONDS or self._too_much()):
            self._kept.popitem(last=False)
        if value not in self._kept:
            self._kept[value] = KeptPicture(await self.read(value), time.monotonic())
        return self._kept[value].data

    def _too_much(self) -> bool:
        return sum(len(kept.data) for kept in self._kept.values()) > KEPT_BYTES

    async def _own(self, path: str) -> bytes:
        if self._home is None:
            raise BadUrl(
                "The picture is kept by Label Studio, whose address is not known here.",
                "Set MASKERY_LABEL_STUDIO_URL and MASKERY_LABEL_STUDIO_TOKEN.",
            )
        path = self._below_home(path)
        if not OWN_PATHS.fullmatch(path) or ".." in unquote(path.partition("?")[0]):
            raise BadUrl(
                f"{path[:80]!r} is no place of Label Studio's pictures.", "Use /data/..., or a public address."
            )
        return await self._fetch(self._home.url.rstrip("/") + path.replace(" ", "%20"), self._own_fetch)

    def _below_home(self, path: str) -> str:
        """``path`` without that of Label Studio itself, which its tasks name too where it is served below one."""
        assert self._home is not None
        prefix = urlsplit(self._home.url).path.rstrip("/")
        return path.removeprefix(prefix) if prefix and path.startswith(f"{prefix}/") else path


def _home(settings: Settings) -> url.Target | None:
    if not settings.label_studio_url:
        return None
    try:
        return url.parse(settings.label_studio_url)
    except BadUrl as error:
        raise ConfigError(f"label_studio_url: {error.message}", "Give its address, http://nas:8080 say.") from error


def _fetcher(settings: Settings, home: url.Target) -> Fetcher:
    """Also reaches ``home`` where that is private, for these pictures only; redirects obey the settings."""
    off = settings.url_input == "off"
    host = home.netloc if ":" in home.netloc else f"{home.netloc}:{home.port}"
    allowed = (host,) if off else (*settings.url_allow, host)
    mode = "allow-list" if off else settings.url_input
    token = settings.label_studio_token
    own = msgspec.structs.replace(settings, url_allow=allowed, url_input=mode)
    return Fetcher(own, credentials={home.origin: f"Token {token}"} if token else None)
