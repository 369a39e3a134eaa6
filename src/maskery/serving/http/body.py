"""The bytes of a request: raw body or multipart, compressed or not, within the byte and time limits."""

import zlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import anyio
import anyio.to_thread
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from maskery.core.errors import BadRequest, SlowRequest
from maskery.core.settings import Settings
from maskery.serving.http.json_body import BASE64, too_large

# Content-Encoding -> zlib's window bits.
ENCODINGS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def inflated(data: bytes, encoding: str, limit: int, stated_limit: int | None = None) -> bytes:
    """``data`` without its Content-Encoding; never more than ``limit`` bytes are made (errors say ``stated_limit``).

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
        raise too_large(len(content), stated_limit or limit)
    if not packer.eof or packer.unused_data:
        wrong = "more follows after its end" if packer.eof else "it is cut off"
        raise BadRequest(f"The body's {kind} data is damaged: {wrong}.", "Compress it again, or send it as it is.")
    return content


async def read_unpacked(request: Request, settings: Settings) -> bytes:
    """The body, a third longer than ``max_bytes`` at most, for pictures in base64.

    Raises ``TooLarge``, ``SlowRequest``, ``BadRequest``.
    """
    limit = int(settings.max_bytes * BASE64) + ENVELOPE_BYTES
    return await read_body(request, limit, settings.timeout, settings.max_bytes)


FIELD = "image"
# What an envelope (multipart, JSON) may add to the pictures themselves.
ENVELOPE_BYTES = 16_384


@dataclass(frozen=True)
class Form:
    """A multipart form: the uploaded files and the text fields, each in the order in which they came."""

    files: list[tuple[str, bytes]]
    fields: list[tuple[str, str]]

    def file(self, name: str) -> bytes:
        """The first file of this name. Raises ``BadRequest`` naming what there is."""
        for key, data in self.files:
            if key == name:
                return data
        seen = ", ".join(sorted({repr(key) for key, _ in [*self.files, *self.fields]})) or "none"
        raise BadRequest(f"The form has no file field {name!r}; its fields: {seen}.", f"Name the field {name!r}.")


FILE_FIELDS = (b"image", b"file")
"""What the entry points call their pictures: these parts are files also where they have no file name."""


class _InMemory(MultiPartParser):
    """Uploads stay in memory: they are within the byte limit already. A picture needs no file name to be a file."""

    spool_max_size = 1 << 40

    def on_headers_finished(self) -> None:
        part = self._current_part
        _, options = parse_options_header(part.content_disposition)
        kind = next((value for name, value in part.item_headers if name.lower() == b"content-type"), b"")
        picture = options.get(b"name") in FILE_FIELDS or kind.startswith((b"image/", b"application/octet-stream"))
        if part.content_disposition and picture and b"filename" not in options:
            part.content_disposition += b'; filename="picture"'
        super().on_headers_finished()


def is_form(request: Request) -> bool:
    """Whether the Content-Type says multipart/form-data."""
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


async def read_picture(request: Request, max_bytes: int, timeout: float, field: str = FIELD) -> bytes:
    """The picture's bytes, from the raw body or the form's file ``field``.

    Raises ``TooLarge`` (by Content-Length at once, else while reading), ``SlowRequest`` after ``timeout`` seconds,
    ``BadRequest`` for an empty body or a form without the field.
    """
    if is_form(request):
        picture = (await read_form(request, max_bytes, timeout)).file(field)
    else:
        picture = await read_body(request, max_bytes, timeout)
    if not picture:
        raise BadRequest("The request has no picture.", f"Send it as the body, or as the form field {field!r}.")
    return picture


async def read_form(request: Request, max_bytes: int, timeout: float) -> Form:
    """The form that the body is, files of at most ``max_bytes`` in all; an empty one where the body is no form.

    Raises ``TooLarge``, ``SlowRequest``; ``BadRequest`` where the form is broken.
    """
    body = await read_body(request, max_bytes + ENVELOPE_BYTES, timeout, max_bytes)
    form = await parse_form(request.headers, body) if is_form(request) else Form([], [])
    total = sum(len(data) for _, data in form.files)
    if total > max_bytes:
        raise too_large(total, max_bytes)
    return form


async def read_body(request: Request, limit: int, timeout: float, stated_limit: int | None = None) -> bytes:
    """The body without its Content-Encoding, at most ``limit`` bytes (errors say ``stated_limit``), within ``timeout``
    seconds. Every entry point reads here.

    Raises ``TooLarge``, ``SlowRequest``; ``BadRequest`` for an unknown Content-Encoding or broken data.
    """
    try:
        with anyio.fail_after(timeout):
            body = await _read(request, limit, stated_limit or limit)
    except TimeoutError as error:
        raise SlowRequest(f"The body did not arrive within {timeout:g} seconds.", "Send it faster.") from error
    encoding = request.headers.get("content-encoding", "")
    if encoding.strip().lower() in ("", "identity"):
        return body
    return await anyio.to_thread.run_sync(lambda: inflated(body, encoding, limit, stated_limit))


async def _read(request: Request, limit: int, stated_limit: int) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise too_large(int(announced), stated_limit)
    chunks, total = [], 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > limit:
            raise too_large(total, stated_limit)
        chunks.append(chunk)
    return b"".join(chunks)


async def parse_form(headers: Headers, body: bytes, max_files: int = 4, max_fields: int = 16) -> Form:
    """A multipart body that is in memory. Raises ``BadRequest`` where it is broken."""

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        form = await _InMemory(headers, stream(), max_files=max_files, max_fields=max_fields).parse()
    except MultiPartException as error:
        raise BadRequest(f"The multipart body is broken: {error.message}", "Send valid multipart/form-data.") from error
    try:
        items = form.multi_items()
        files = [(key, await value.read()) for key, value in items if isinstance(value, UploadFile)]
        return Form(files, [(key, value) for key, value in items if isinstance(value, str)])
    finally:
        await form.close()
