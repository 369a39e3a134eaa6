"""Who may call, and how often. Pages, health and metrics are open to all."""

import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network, ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from maskery.core.errors import ConfigError, MaskeryError, RateLimited, Unauthorized
from maskery.core.settings import Settings
from maskery.serving.http.problems import refusal
from maskery.serving.http.request_log import own_path
from maskery.serving.middleware.keys import given, load_keys

MOST_BUCKETS = 10_000
# So many seconds or tokens are none: sums of fractions miss whole numbers by less.
TINY = 1e-6
SECONDS = {"s": 1, "m": 60, "h": 3600}
_FORM = re.compile(r"([1-9][0-9]{0,5})/([smh])")


class Buckets:
    """Token buckets, one for each client: ``count`` at once, refilled evenly over the period.

    The ``MOST_BUCKETS`` clients seen last are remembered; one who was forgotten starts with a full bucket.
    """

    def __init__(self, limit: str, clock: Callable[[], float] = time.monotonic) -> None:
        """``limit``: "10/s", "600/m", "1000/h". Raises ``ConfigError`` for another form."""
        form = _FORM.fullmatch(limit)
        if form is None:
            raise ConfigError(f"rate_limit is {limit!r}.", "Write 10/s, 600/m or 1000/h; empty means no limit.")
        self._count = int(form[1])
        self._per_second = self._count / SECONDS[form[2]]
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, client: str) -> int:
        """Take one: 0, or, when the bucket is empty, the whole seconds after which there is one again."""
        now = self._clock()
        tokens, since = self._buckets.pop(client, (float(self._count), now))
        tokens = min(self._count, tokens + (now - since) * self._per_second)
        wait = 0 if tokens >= 1 - TINY else math.ceil((1 - tokens) / self._per_second - TINY)
        self._buckets[client] = (tokens if wait else tokens - 1, now)
        if len(self._buckets) > MOST_BUCKETS:
            self._buckets.popitem(last=False)
        return wait


# What says nothing of anybody's pictures, and what machines ask that hold no key.
OPEN = frozenset(
    (
        *("/", "/docs", "/status", "/openapi.json"),
        *("/livez", "/readyz", "/health", "/healthz", "/ping", "/metrics"),
        *("/v2/health/live", "/v2/health/ready", "/label-studio/health"),
    )
)
OPEN_BELOW = "/static/"


class Access:
    """Pure ASGI: 401 without a known key, where there are keys; 429 beyond the rate, where there is one."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        """Raises ``ConfigError`` for keys or a rate that are none."""
        self.app = app
        self._keys = load_keys(settings)
        self._buckets = Buckets(settings.rate_limit) if settings.rate_limit else None
        self._trust_proxy = settings.trust_proxy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._admit(scope)
        except MaskeryError as error:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": error.code})
                return
            await refusal(error)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _admit(self, scope: Scope) -> None:
        """Raises ``Unauthorized``, ``RateLimited``."""
        if scope["type"] == "lifespan" or is_open(scope):
            return
        headers = Headers(scope=scope)
        holder = self._keys.holder(headers) if self._keys else None
        scope.setdefault("state", {})["holder"] = holder  # for what belongs to one caller alone
        # Without a known key the address pays, so that guessing keys is limited too.
        self._count(f"key {holder}" if holder is not None else f"address {address_of(scope, self._trust_proxy)}")
        if self._keys and holder is None:
            what = "The API key is not known here." if any(given(headers)) else "This server asks for an API key."
            raise Unauthorized(what, "Send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'.")

    def _count(self, client: str) -> None:
        wait = 0 if self._buckets is None else self._buckets.take(client)
        if wait:
            raise RateLimited("Too many requests.", f"Come back in {wait} s.", wait)


def is_open(scope: Scope) -> bool:
    """Whether the path is for everybody. Compared as it is routed: nothing is decoded or shortened in between."""
    path = own_path(scope)
    return path in OPEN or path.startswith(OPEN_BELOW)


def address_of(scope: Scope, trust_proxy: bool) -> str:
    """The client's IPv4 address or /64 network; with ``trust_proxy`` the last entry of X-Forwarded-For.

    The last one is what our own proxy saw; those before it are whatever the client wrote.
    """
    client = scope.get("client")
    texts = [client[0] if client else "unknown"]
    if trust_proxy:
        texts.insert(0, ",".join(Headers(scope=scope).getlist("x-forwarded-for")).rpartition(",")[2].strip())
    return next((network for text in texts if (network := _network(text))), texts[-1])


def _network(text: str) -> str:
    """Empty for what is no address. A port is left out."""
    bare = text.partition("]")[0].removeprefix("[") if text.startswith("[") else text
    bare = bare.partition(":")[0] if bare.count(":") == 1 else bare
    try:
        address = ip_address(bare)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address)
