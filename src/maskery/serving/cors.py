"""Which web pages of other hosts may call this server: none, unless the settings name them."""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from maskery.errors import ConfigError
from maskery.serving.url import is_origin
from maskery.settings import Settings

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
