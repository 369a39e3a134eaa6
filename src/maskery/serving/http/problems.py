"""Errors -> RFC 9457 problem bodies: the one table from error to status."""

from collections.abc import Mapping

import msgspec
from starlette.responses import Response

from maskery.core import errors
from maskery.serving.http import request_log
from maskery.serving.http.json_body import json_response

MEDIA_TYPE = "application/problem+json"

# What proxies, too, call a request whose caller left before an answer began.
CALLER_LEFT = 499

# The first class that matches an error decides.
STATUS: tuple[tuple[type[errors.MaskeryError], int], ...] = (
    (errors.TooLarge, 413),
    (errors.UnsupportedPicture, 415),
    (errors.UnknownModel, 404),
    (errors.UnknownJob, 404),
    (errors.NotFinished, 409),
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


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457, with a stable ``code`` for programs and a ``cure`` for people.

    Attributes:
        type: A URN of the code.
        title: The code in words.
        status: The HTTP status.
        detail: What is wrong with this request.
        code: A name of the error that stays the same between versions.
        cure: What helps; absent where nothing is known.
        error: What is wrong once more, in the place where the clients of compatible APIs look.
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
    return Problem(
        type=f"urn:maskery:problem:{code}", title=title, status=status, detail=detail, code=code, cure=cure, error=error
    )


def problem(
    status: int, code: str, detail: str, cure: str, headers: Mapping[str, str] | None = None, error: str = ""
) -> Response:
    """A response with a problem body; the request's record takes the code."""
    request_log.current().problem = code
    body = _problem(status, code, detail, cure, error)
    return json_response(body, status, headers, MEDIA_TYPE)


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
