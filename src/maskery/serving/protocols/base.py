"""What a protocol is: its operations, each served and described by one entry, and its envelope of errors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from maskery.serving.protocols.envelope import Envelope, Handler, with_errors

JSON = "application/json"
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

Schema = Any
"""A type whose JSON Schema msgspec makes; a tuple of such, for either; a JSON Schema as a dict, for what is no JSON."""
Content = Mapping[str, Schema]
"""Media type -> what is sent under it."""


@dataclass(frozen=True, kw_only=True)
class ParameterSpec:
    """A parameter of the query, a header, or a field of a form.

    Attributes:
        name: As the caller writes it.
        text: What it means, for the OpenAPI document.
        kind: The type of its value, or its JSON Schema.
        required: Whether the request is refused without it.
        place: Where it is; says nothing for the field of a form.
    """

    name: str
    text: str
    kind: Schema = str
    required: bool = False
    place: Literal["query", "header"] = "query"


@dataclass(frozen=True)
class FormSpec:
    """A body of multipart/form-data: the name of the file with the picture, and the fields beside it."""

    file: str
    fields: Sequence[ParameterSpec] = ()


@dataclass(frozen=True)
class ResponseSpec:
    """What an answer is, in words, and its bodies."""

    text: str = "OK"
    content: Content = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One verb of one path.

    Attributes:
        verb: GET, POST or DELETE. HEAD is answered as GET.
        path: As Starlette writes it, ``{name}`` for a part that varies.
        handler: What answers; every error that it raises becomes the protocol's envelope.
        summary: One sentence for the OpenAPI document.
        answers: By status, what is answered without an error.
        problems: The statuses of errors.
        parameters: Of query and header; those of the path are known from it.
        body: Of the request. Empty = it has none.
        body_required: Whether the request is refused without a body.
        description: More than ``summary`` says.
        id: A name for generated clients; empty = theirs to choose.
        tag: The heading in the document; empty = the protocol's.
        hidden: Served, but not in the document.
    """

    verb: Literal["GET", "POST", "DELETE"]
    path: str
    handler: Handler
    summary: str
    answers: Mapping[int, ResponseSpec]
    problems: Sequence[int] = ()
    parameters: Sequence[ParameterSpec] = ()
    body: Content = field(default_factory=dict)
    body_required: bool = True
    description: str = ""
    id: str = ""
    tag: str = ""
    hidden: bool = False


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A way to ask the inference service.

    Attributes:
        name: In settings, logs and metrics.
        tag: The heading of its operations in the OpenAPI document.
        operations: All that it serves.
        envelope: Makes the answer to an error.
        problem: The type of that answer's body.
        problem_type: Its media type.
        prefix: Other paths below it have a 404 in the envelope too; empty = there is no such place.
        answers_options: Whether OPTIONS is answered with the verbs that there are; otherwise it is a wrong verb.
    """

    name: str
    tag: str
    operations: Sequence[Operation]
    envelope: Envelope
    problem: Schema
    problem_type: str = JSON
    prefix: str = ""
    answers_options: bool = True


def get(
    path: str,
    handler: Handler,
    summary: str,
    answers: Mapping[int, ResponseSpec],
    parameters: Sequence[ParameterSpec] = (),
    problems: Sequence[int] = (),
) -> Operation:
    """An operation that only reads."""
    return Operation(
        verb="GET",
        path=path,
        handler=handler,
        summary=summary,
        answers=answers,
        parameters=parameters,
        problems=problems,
    )


def json_answer(kind: Schema, text: str = "OK", status: int = 200) -> dict[int, ResponseSpec]:
    """The answer that is ``kind`` as JSON, by its status."""
    return {status: ResponseSpec(text, {JSON: kind})}


def binary(media_type: str, max_bytes: int | None = None) -> dict[str, Any]:
    """The schema of bytes that are no JSON: a picture, say."""
    limit = {} if max_bytes is None else {"maxLength": max_bytes}
    return {"type": "string", "contentMediaType": media_type} | limit


def routes_of(protocol: Protocol) -> list[Route]:
    """The routes of all operations, in their order, each with the protocol's errors and its name in the log."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in protocol.operations:
        by_path.setdefault(operation.path, {})[operation.verb] = operation
    routes = [_route(protocol, path, operations) for path, operations in by_path.items()]
    if protocol.prefix:
        routes.append(Route(protocol.prefix + "/{path:path}", _guarded(protocol, _nothing_here), methods=VERBS))
    return routes


def _route(protocol: Protocol, path: str, operations: Mapping[str, Operation]) -> Route:
    verbs = [*operations, *(["HEAD"] if "GET" in operations else [])]
    verbs += ["OPTIONS"] if protocol.answers_options else []
    allow = {"Allow": ", ".join(verbs)}

    async def answer(request: Request) -> Response:
        operation = operations.get("GET" if request.method == "HEAD" else request.method)
        if operation is not None:
            return await operation.handler(request)
        if request.method == "OPTIONS" and protocol.answers_options:
            return Response(headers=allow)
        raise HTTPException(405, "The method is not allowed for the requested URL.", allow)

    return Route(path, _guarded(protocol, answer), methods=VERBS)


def _guarded(protocol: Protocol, handler: Handler) -> Callable[..., Any]:
    return with_errors(handler, protocol.envelope, protocol.name)


async def _nothing_here(request: Request) -> Response:
    raise HTTPException(404, f"There is nothing at {request.url.path}.")
