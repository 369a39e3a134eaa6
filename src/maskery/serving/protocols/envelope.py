"""Errors in a protocol's own words, and nothing past them: the one way from what was raised to an answer."""

import http
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from maskery.core.errors import ConfigError, DataError, MaskeryError, ModelError
from maskery.serving.http import request_log
from maskery.serving.http.problems import CALLER_LEFT, headers_of, problem, status_of

log = logging.getLogger("maskery")

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An error as a protocol's envelope is given it.

    Attributes:
        status: The HTTP status.
        code: For programs.
        message: For people.
        cure: What helps, as a sentence.
        headers: Of the answer.
        request: Verb and path, where one of them is what is wrong; empty otherwise.
    """

    status: int
    code: str
    message: str
    cure: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    request: str = ""

    @property
    def text(self) -> str:
        """Message and cure."""
        return f"{self.message} {self.cure}".strip()


Envelope = Callable[[Failure], Response]


def with_errors(handler: Handler, envelope: Envelope, protocol: str) -> Handler:
    """``handler`` with every error answered by ``envelope``; logs and metrics call its requests ``protocol``."""

    async def answer(request: Request) -> Response:
        request_log.current().protocol = protocol
        try:
            return await handler(request)
        except ClientDisconnect:
            return Response(status_code=CALLER_LEFT)  # nobody reads it; the log and the metrics have its status
        except Exception as error:
            return refuse(error, request, envelope)

    return answer


def refuse(error: Exception, request: Request, envelope: Envelope) -> Response:
    """The answer to ``error``, whose code the request's log takes; what is no error of ours is logged whole."""
    failure = failure_of(error, request)
    if not isinstance(error, MaskeryError | HTTPException):
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    request_log.current().problem = failure.code
    return envelope(failure)


def failure_of(error: Exception, request: Request) -> Failure:
    """Status, code, words and headers of ``error``."""
    if isinstance(error, MaskeryError):
        return Failure(
            status=status_of(error),
            code=error.code,
            message=_without_folders(error.message) if isinstance(error, OWN_FILES) else error.message,
            cure=_without_folders(error.cure) if isinstance(error, OWN_FILES) else error.cure,
            headers=headers_of(error),
        )
    if isinstance(error, HTTPException):
        return Failure(
            status=error.status_code,
            code=_phrase(error.status_code).lower().replace(" ", "-"),
            message=str(error.detail),
            headers=dict(error.headers or {}),
            request=f"{request.method} {request.url.path}",
        )
    cure = "Its log has the cause; please report it."
    return Failure(status=500, code="internal-error", message="The server failed on this request.", cure=cure)


OWN_FILES = (ModelError, ConfigError, DataError)
"""Errors about files of this machine, whose places are nobody's business but its operator's."""
_PATH = re.compile(r"(?<![\w:/])/[^\s:,;'\"()]+")


def _without_folders(text: str) -> str:
    """``text`` with the last part only of every path that is on this machine."""
    return _PATH.sub(lambda found: _shown(found[0]), text)


def _shown(path: str) -> str:
    there, parent = Path(path), Path(path).parent
    try:
        return there.name if there.exists() or (parent.exists() and parent != parent.parent) else path
    except (OSError, ValueError):
        return path


def problem_envelope(failure: Failure) -> Response:
    """RFC 9457: the envelope of the native API and of every path that belongs to no protocol."""
    if failure.request:
        detail = f"{failure.request}: {_phrase(failure.status)}."
        cure = "See /docs for the paths and verbs."
    else:
        detail, cure = failure.message, failure.cure
    return problem(failure.status, failure.code, detail, cure, failure.headers)


def _phrase(status: int) -> str:
    return http.HTTPStatus(status).phrase
