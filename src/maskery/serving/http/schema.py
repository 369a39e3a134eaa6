"""The pieces that OpenAPI path items are put together from."""

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

BOOLEAN: Json = {"type": "boolean"}
INTEGER: Json = {"type": "integer"}
NUMBER: Json = {"type": "number"}
TEXT: Json = {"type": "string"}
JSON = "application/json"


def record(properties: Json, required: list[str] | None = None) -> Json:
    """An object with these properties, all of them required unless said otherwise."""
    return {"type": "object", "properties": properties, "required": list(properties) if required is None else required}


def array(items: Json) -> Json:
    """A list of ``items``."""
    return {"type": "array", "items": items}


def raw(media_type: str, max_bytes: int | None = None) -> Json:
    """Bytes that are not text."""
    limit = {} if max_bytes is None else {"maxLength": max_bytes}
    return {"type": "string", "contentMediaType": media_type} | limit


def described(schema: Json, text: str) -> Json:
    """``schema`` with a description."""
    return schema | {"description": text}


def query(name: str, schema: Json, text: str, required: bool = False) -> Json:
    """A parameter of the query."""
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": text}


def header(name: str, text: str) -> Json:
    """A header of the request."""
    return {"name": name, "in": "header", "required": False, "schema": TEXT, "description": text}


def form(properties: Json, required: list[str]) -> Json:
    """A request body of multipart/form-data."""
    return {"required": True, "content": {"multipart/form-data": {"schema": record(properties, required)}}}


def answer(text: str, schema: Json, media_type: str = JSON) -> Json:
    """A response."""
    return {"description": text, "content": {media_type: {"schema": schema}}}


def errors(envelope: Json, texts: Mapping[int, str]) -> Json:
    """Responses by status, each with the body ``envelope``."""
    return {str(status): answer(text, envelope) for status, text in texts.items()}


def operation(
    tag: str,
    summary: str,
    ok: Json,
    problems: Json | None = None,
    parameters: Sequence[Json] = (),
    body: Json | None = None,
) -> Json:
    """One verb of a path. ``ok``: the response 200; ``problems``: the others, by status."""
    plain: Json = {"tags": [tag], "summary": summary}
    if parameters:
        plain["parameters"] = list(parameters)
    if body:
        plain["requestBody"] = body
    return plain | {"responses": {"200": ok} | (problems or {})}
