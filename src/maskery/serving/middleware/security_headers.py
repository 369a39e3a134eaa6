"""Headers that every answer carries, and which web pages of other hosts may call this server (CORS)."""

from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maskery.core.errors import ConfigError
from maskery.core.settings import Settings
from maskery.serving.http.request_log import own_path
from maskery.serving.remote.url import is_origin

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Keeps answers out of <img> and the like on other hosts' pages; what CORS allows is not held up by it.
    "Cross-Origin-Resource-Policy": "same-origin",
}

PAGES = ("/", "/docs", "/status")


class SecurityHeaders:
    """Pure ASGI: adds ``HEADERS`` to every HTTP response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        path = own_path(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if path in PAGES or path.startswith("/static/"):
                    # Asked again each time (ETag): after an upgrade no old module meets a new one.
                    headers["Cache-Control"] = "no-cache"
                else:
                    # Answers are about somebody's picture, and a cache between does not know who sent which key.
                    headers.setdefault("Cache-Control", "private, no-cache")
            await send(message)

        await self.app(scope, receive, send_with_headers)


# What a page may read of an answer besides its body.
EXPOSED = (
    "X-Request-ID",
    "X-Maskery-Model",
    "Retry-After",
    "WWW-Authenticate",
    "Content-Disposition",
    "Inference-Header-Content-Length",
)


def cross_origin(app: ASGIApp, settings: Settings) -> ASGIApp:
    """``app`` for the pages of the origins of ``cors``; as it is where there are none.

    Credentials, that is cookies, are never allowed: there are none here, and a key is a header that the page sets.
    Raises ``ConfigError`` for an origin that no browser sends.
    """
    for text in settings.cors:
        if text != "*" and not is_origin(text):
            raise ConfigError(f"cors has the entry {text!r}.", "Write https://app.example.org, without a path.")
    if not settings.cors:
        return app
    return CORSMiddleware(
        app, allow_origins=settings.cors, allow_methods=["*"], allow_headers=["*"], expose_headers=EXPOSED
    )
