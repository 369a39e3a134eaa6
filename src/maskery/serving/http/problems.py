"""Errors -> RFC 9457 problem bodies: the one table from error to status."""

import http
from collections.abc import Mapping

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from maskery.core import errors
from maskery.serving.http import request_log

MEDIA_TYPE = "application/problem+json"

# What proxies, too, call a request whose caller left before an answer began.
CALLER_LEFT = 499

# The first class that matches an error decides.
STATUS: tuple[tuple[type[errors.MaskeryError], int], ...] = (
    (errors.TooLarge, 413),
    (errors.UnsupportedPicture, 415),
    (errors.UnknownModel, 404),
    (errors.NotAcceptable, 406),
    (errors.SlowRequest, 408),
    (errors.Unauthorized, 401),
    (errors.RateLimited, 429),
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
    """RFC 9457, with a stable ``code`` for programs and a ``cure`` for people.

    ``error`` says it once more, in the place where the clients of compatible APIs look.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    cure: str = ""
    error: str = ""


def status_of(error: errors.MaskeryError) -> int:
    """The HTTP status for ``error``."""
    return next(status for kind, status in STATUS if isinstance(error, kind))


def body_of(error: errors.MaskeryError) -> Problem:
    """The problem that tells of ``error``."""
    return _problem(status_of(error), error.code, error.message, error.cure)


def _problem(status: int, code: str, detail: str, cure: str, error: str = "") -> Problem:
    title = code.replace("-", " ").capitalize()
    return Problem(f"urn:maskery:problem:{code}", title, status, detail, code, cure, error)


def problem(
    status: int, code: str, detail: str, cure: str, headers: Mapping[str, str] | None = None, error: str = ""
) -> Response:
    """A response with a problem body; the request's record takes the code."""
    request_log.current().problem = code
    body = _problem(status, code, detail, cure, error)
    return Response(msgspec.json.encode(body), status, headers, media_type=MEDIA_TYPE)


def headers_of(error: errors.MaskeryError) -> dict[str, str]:
    """What an error says in headers, in every protocol."""
    if isinstance(error, errors.Busy | errors.RateLimited):
        return {"Retry-After": str(error.retry_after)}
    if isinstance(error, errors.Unchanged):
        return {"ETag": error.etag}
    if isinstance(error, errors.Unauthorized):
        # Basic is understood too, but offering it makes browsers open a window of their own.
        return {"WWW-Authenticate": 'Bearer realm="maskery"'}
    return {}


def refusal(error: errors.MaskeryError) -> Response:
    """The response before any protocol: ``error`` for the clients of all."""
    return problem(status_of(error), error.code, error.message, error.cure, headers_of(error), str(error))


async def on_maskery_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, errors.MaskeryError)
    return problem(status_of(error), error.code, error.message, error.cure, headers_of(error))


async def on_http_exception(request: Request, error: Exception) -> Response:
    """What the router raises: no such path, wrong verb."""
    assert isinstance(error, HTTPException)
    code = http.HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    detail = f"{request.method} {request.url.path}: {error.detail}."
    return problem(error.status_code, code, detail, "See /docs for the paths and verbs.", error.headers)


async def on_disconnect(_: Request, __: Exception) -> Response:
    """The caller left; nobody reads this answer, the log and the metrics have its status."""
    return Response(status_code=CALLER_LEFT)


async def on_crash(_: Request, __: Exception) -> Response:
    return problem(
        500, "internal-error", "The server failed on this request.", "Its log has the cause; please report it."
    )
