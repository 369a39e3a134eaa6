"""Compressed bodies, unpacked within bounds."""

import zlib

import anyio.to_thread
from starlette.requests import Request

from maskery.errors import BadRequest
from maskery.serving.body import ENVELOPE_BYTES, read_body, too_large
from maskery.serving.json_body import BASE64
from maskery.settings import Settings

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


async def read_unpacked(request: Request, settings: Settings) -> bytes:
    """The body without its Content-Encoding, a third longer than ``max_bytes`` at most, for pictures in base64.

    Raises ``TooLarge``, ``SlowRequest``, ``BadRequest``.
    """
    limit = int(settings.max_bytes * BASE64) + ENVELOPE_BYTES
    body = await read_body(request, limit, settings.timeout, settings.max_bytes)
    encoding = request.headers.get("content-encoding", "")
    return await anyio.to_thread.run_sync(lambda: inflated(body, encoding, limit, settings.max_bytes))
