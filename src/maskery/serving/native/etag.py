"""What an answer depends on, as an ETag: whoever has it need not ask again."""

import hashlib

from starlette.requests import Request

from maskery import __version__
from maskery.errors import Unchanged
from maskery.model_card import ModelCard
from maskery.serving.native.call import Ask


def etag_of(data: bytes, ask: Ask, card: ModelCard) -> str:
    """Weak, because the milliseconds in a JSON answer differ from time to time; all else is the same."""
    digest, asked = hashlib.blake2b(data, digest_size=16), (ask.format, ask.wish, ask.options)
    digest.update(repr((__version__, card.name, card.version, card.sha256, card.finder, *asked)).encode())
    return f'W/"{digest.hexdigest()}"'


def expect_changed(request: Request, etag: str) -> None:
    """Raises ``Unchanged`` where the caller has this very answer (If-None-Match)."""
    given = request.headers.get("if-none-match", "")
    names = {name.strip().removeprefix("W/") for name in given.split(",")}
    if given.strip() == "*" or etag.removeprefix("W/") in names:
        raise Unchanged("You have this answer already.", "Use it, or ask without If-None-Match.", etag)
