"""JSON that callers send, with pictures in it as base64 text, and JSON that they are answered."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import unquote

import msgspec
from starlette.responses import Response

from maskery.core import toml
from maskery.core.errors import BadRequest, ConfigError, TooLarge

T = TypeVar("T", bound=msgspec.Struct)
U = TypeVar("U")

# "[]," is three bytes and 64 bytes of memory: JSON must not have many of what becomes an object of its own.
OBJECTS_AT_MOST = 1 << 16
MEMBERS_AT_MOST = 1 << 20  # of JSON that is mostly skipped
# Characters of base64 for a byte.
BASE64 = 4 / 3


def json_response(
    value: object, status: int = 200, headers: Mapping[str, str] | None = None, media_type: str = "application/json"
) -> Response:
    """``value``, a Struct as a rule, as the body of an answer."""
    return Response(msgspec.json.encode(value), status, headers, media_type=media_type)


def looks_like_json(data: bytes) -> bool:
    """Whether a body is a JSON object, by its first character; no picture begins so."""
    return data[:64].lstrip()[:1] == b"{"


def parse_json(data: bytes, kind: type[T]) -> T:
    """The JSON object ``data`` as ``kind``. Raises ``BadRequest`` naming an unknown key and the nearest known one."""
    _expect_few(data, b"{[", OBJECTS_AT_MOST)
    try:
        raw: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"The body is not valid JSON: {error}.", "Send JSON, or the picture's bytes.") from error
    except RecursionError as error:
        raise BadRequest("The JSON is nested too deeply.", "Send what the documentation shows.") from error
    if not isinstance(raw, dict):
        raise BadRequest("The JSON is no object.", "Send what the documentation shows.")
    try:
        return toml.convert(raw, kind, "The JSON body")
    except ConfigError as error:
        raise BadRequest(error.message, error.cure) from error


def parsed(data: bytes, kind: type[U], what: str) -> U:
    """JSON that may have more keys than ``kind`` says. Raises ``BadRequest`` where it is not ``what``."""
    _expect_few(data, b"{:", MEMBERS_AT_MOST)
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadRequest(f"The body is not {what}: {error}.", "See docs/protocols.") from error
    except RecursionError as error:
        raise BadRequest(f"The body is not {what}: it is nested too deeply.", "See docs/protocols.") from error


def from_base64(text: str, max_bytes: int) -> bytes:
    """The bytes that ``text`` stands for; a ``data:`` URL's head is skipped. Raises ``BadRequest``, ``TooLarge``.

    As programs write it: with line breaks and blanks, in the alphabet of URLs, without padding.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
        text = unquote(text) if "%" in text else text
    if len(text) > max_bytes * BASE64 + 4:
        text = "".join(text.split())
    if len(text) > max_bytes * BASE64 + 4:
        raise too_large(int(len(text) / BASE64), max_bytes)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        plain = "".join(text.split()).rstrip("=").translate(_URL_SAFE)
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(f"The base64 text is broken: {error}.", "Send the picture's bytes in base64.") from error


_URL_SAFE = str.maketrans("-_", "+/")


def _expect_few(data: bytes, marks: bytes, at_most: int) -> None:
    """Raises ``BadRequest`` where ``data`` has more of these characters than a sensible request."""
    found = sum(data.count(mark) for mark in marks)
    if found > at_most:
        raise BadRequest(f"The JSON has {found:,} lists, objects or keys.", f"At most {at_most:,} are read.")


def too_large(size: int, limit: int) -> TooLarge:
    """The error for a request of ``size`` bytes or more."""
    return TooLarge(
        f"The request has {size:,} bytes or more; the limit is {limit:,}.",
        "Send a smaller picture, or raise MASKERY_MAX_BYTES.",
    )
