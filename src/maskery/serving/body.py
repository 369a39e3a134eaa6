"""The picture out of a request: raw body or multipart, within the byte and time limit, before any form parser runs."""

from collections.abc import AsyncGenerator

import anyio
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from maskery.errors import BadRequest, SlowRequest, TooLarge

FIELD = "image"
# What a multipart envelope may add to the picture itself.
ENVELOPE_BYTES = 16_384


class _InMemory(MultiPartParser):
    """Uploads stay in memory: they are within the byte limit already."""

    spool_max_size = 1 << 40


async def read_picture(request: Request, max_bytes: int, timeout: float) -> bytes:
    """The picture's bytes.

    Raises ``TooLarge`` (by Content-Length at once, else while reading), ``SlowRequest`` after ``timeout`` seconds,
    ``BadRequest`` for an empty body or a form without the field ``image``.
    """
    form = request.headers.get("content-type", "").lower().startswith("multipart/form-data")
    limit = max_bytes + (ENVELOPE_BYTES if form else 0)
    try:
        with anyio.fail_after(timeout):
            body = await _read(request, limit, max_bytes)
    except TimeoutError as error:
        raise SlowRequest(f"The body did not arrive within {timeout:g} seconds.", "Send it faster.") from error
    picture = await _from_form(request.headers, body) if form else body
    if not picture:
        raise BadRequest("The request has no picture.", f"Send it as the body, or as the form field {FIELD!r}.")
    if len(picture) > max_bytes:
        raise _too_large(len(picture), max_bytes)
    return picture


async def _read(request: Request, limit: int, max_bytes: int) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(int(announced), max_bytes)
    chunks, total = [], 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > limit:
            raise _too_large(total, max_bytes)
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large(size: int, limit: int) -> TooLarge:
    return TooLarge(
        f"The request has {size:,} bytes or more; the limit is {limit:,}.",
        "Send a smaller picture, or raise MASKERY_MAX_BYTES.",
    )


async def _from_form(headers: Headers, body: bytes) -> bytes:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        form = await _InMemory(headers, stream(), max_files=4, max_fields=16).parse()
    except MultiPartException as error:
        raise BadRequest(f"The multipart body is broken: {error.message}", "Send valid multipart/form-data.") from error
    try:
        upload = form.get(FIELD)
        if not isinstance(upload, UploadFile):
            seen = ", ".join(sorted({repr(key) for key in form})) or "none"
            raise BadRequest(f"The form has no file field {FIELD!r}; its fields: {seen}.", f"Name the field {FIELD!r}.")
        return await upload.read()
    finally:
        await form.close()
