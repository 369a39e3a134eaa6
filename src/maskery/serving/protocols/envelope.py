"""What each protocol's endpoints share: errors in the protocol's own words, and nothing past them."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from maskery.core.errors import MaskeryError
from maskery.serving.http import request_log
from maskery.serving.http.problems import headers_of, status_of

log = logging.getLogger("maskery")

Handler = Callable[[Request], Awaitable[Response]]

VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True)
class Failure:
    """An error as a protocol's envelope is given it. ``code`` is for programs, ``text`` message and cure for people."""

    status: int
    code: str
    message: str
    cure: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return f"{self.message} {self.cure}".strip()


Envelope = Callable[[Failure], Response]


def with_errors(handler: Handler, envelope: Envelope) -> Handler:
    """``handler`` with every error answered by ``envelope``."""

    def refuse(failure: Failure) -> Response:
        request_log.current().problem = failure.code
        return envelope(failure)

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except ClientDisconnect:
            raise
        except MaskeryError as error:
            return refuse(failure_of(error))
        except HTTPException as error:
            return refuse(Failure(error.status_code, "http", str(error.detail), headers=dict(error.headers or {})))
        except Exception:
            log.exception("%s %s failed", request.method, request.url.path)
            return refuse(Failure(500, "internal-error", "The server failed on this request.", "Please report it."))

    return answer


def route(path: str, handlers: Mapping[str, Handler], envelope: Envelope) -> Route:
    """One path of a protocol; ``handlers`` by verb.

    HEAD is answered as GET, OPTIONS by the verbs that there are; for any other verb ``envelope`` has the 405.
    """
    verbs = [*handlers, *(["HEAD"] if "GET" in handlers else []), "OPTIONS"]
    allow = {"Allow": ", ".join(verbs)}

    async def answer(request: Request) -> Response:
        handler = handlers.get("GET" if request.method == "HEAD" else request.method)
        if handler is not None:
            return await handler(request)
        if request.method == "OPTIONS":
            return Response(headers=allow)
        raise HTTPException(405, "The method is not allowed for the requested URL.", allow)

    return Route(path, with_errors(answer, envelope), methods=VERBS)


def elsewhere(prefix: str, envelope: Envelope) -> Route:
    """Every other path below ``prefix``, as the last of a protocol's routes: its clients read only their own 404."""

    async def answer(request: Request) -> Response:
        raise HTTPException(404, f"There is nothing at {request.url.path}.")

    return Route(prefix + "/{path:path}", with_errors(answer, envelope), methods=VERBS, include_in_schema=False)


def failure_of(error: MaskeryError) -> Failure:
    """Status, code, message, cure and headers of ``error``."""
    return Failure(status_of(error), error.code, error.message, error.cure, headers_of(error))
