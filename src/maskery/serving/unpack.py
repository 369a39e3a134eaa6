"""A body's bytes -> what they hold: compressed bodies and JSON, within bounds, every fault a ``BadRequest``."""

import zlib
from typing import TypeVar

import msgspec

from maskery.errors import BadRequest
from maskery.serving.body import too_large

T = TypeVar("T")

# Content-Encoding -> zlib's window bits.
ENCODINGS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def inflated(data: bytes, encoding: str, limit: int, said_limit: int | None = None) -> bytes:
    """``data`` without its Content-Encoding; never more than ``limit`` bytes are made (errors say ``said_limit``).

    Raises ``TooLarge``, ``BadRequest`` for an unknown encoding or broken data.
    """
    kind = encoding.strip().lower()
    if kind in ("", "identity"):
        return data
    if kind not in ENCODINGS:
        raise BadRequest(f"Content-Encoding {encoding[:80]!r} is not read.", "Use gzip, deflate, or none.")
    packer = zlib.decompressobj(ENCODINGS[kind])
    try:
        content = packer.decompress(data, limit + 1)
    except zlib.error as error:
        raise BadRequest(f"The body is no {kind} data: {error}.", "Compress it again, or send it as it is.") from error
    if len(content) > limit:
        raise too_large(len(content), said_limit or limit)
    if not packer.eof or packer.unused_data:
        wrong = "more follows after its end" if packer.eof else "it is cut off"
        raise BadRequest(f"The body's {kind} data is damaged: {wrong}.", "Compress it again, or send it as it is.")
    return content


def parsed(data: bytes | memoryview, kind: type[T], what: str) -> T:
    """JSON text as ``kind``. Raises ``BadRequest`` saying where it is not ``what``."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadRequest(f"The body is not {what}: {error}.", "See docs/protocols.") from error
    except RecursionError as error:
        raise BadRequest(f"The body is not {what}: it is nested too deeply.", "See docs/protocols.") from error
