"""Errors -> RFC 9457 problem bodies: the one table from error to status."""

import http
from collections.abc import Mapping

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from maskery import errors

MEDIA_TYPE = "application/problem+json"

# The first class that matches an error decides.
STATUS: tuple[tuple[type[errors.MaskeryError], int], ...] = (
    (errors.TooLarge, 413),
    (errors.UnsupportedPicture, 415),
    (errors.UnknownModel, 404),
    (errors.NotAcceptable, 406),
    (errors.SlowRequest, 408),
    (errors.Unchanged, 412),
    (errors.UrlNotFetched, 424),  # Failed Dependency: the caller's URL was fine, its server was not
    (errors.InputError, 400),
    (errors.LicenceError, 403),
    (errors.NotPulled, 409),
    (errors.MissingExtra, 501),
    (errors.Busy, 503),
    (errors.MaskeryError, 500),
)


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457, with a stable ``code`` for programs and a ``cure`` for people."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    cure: str = ""


def status_of(error: errors.MaskeryError) -> int:
    """The HTTP status for ``error``."""
    return next(status for kind, status in STATUS if isinstance(error, kind))


def body_of(error: errors.MaskeryError) -> Problem:
    """The problem that tells of ``error``."""
    return _problem(status_of(error), error.code, error.message, error.cure)


def _problem(status: int, code: str, detail: str, cure: str) -> Problem:
    title = code.replace("-", " ").capitalize()
    return Problem(f"urn:maskery:problem:{code}", title, status, detail, code, cure)


def problem(status: int, code: str, detail: str, cure: str, headers: Mapping[str, str] | None = None) -> Response:
    """A response with a problem body."""
    return Response(msgspec.json.encode(_problem(status, code, detail, cure)), status, headers, media_type=MEDIA_TYPE)


async def on_maskery_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, errors.MaskeryError)
    headers: dict[str, str] = {}
    if isinstance(error, errors.Busy):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, errors.Unchanged):
        headers["ETag"] = error.etag
    return problem(status_of(error), error.code, error.message, error.cure, headers)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """What the router raises: no such path, wrong verb."""
    assert isinstance(error, HTTPException)
    code = http.HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    detail = f"{request.method} {request.url.path}: {error.detail}."
    return problem(error.status_code, code, detail, "See /docs for the paths and verbs.", error.headers)


async def on_disconnect(_: Request, __: Exception) -> Response:
    """The caller left while sending; nobody reads this answer."""
    return Response(status_code=400)


async def on_crash(_: Request, __: Exception) -> Response:
    return problem(
        500, "internal-error", "The server failed on this request.", "Its log has the cause; please report it."
    )
