"""The OpenAPI 3.1 document: the operations of the protocols, with the schemas of what they read and answer."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from maskery.core.settings import Settings
from maskery.core.version import __version__
from maskery.models.store import is_path
from maskery.serving.http.problems import STATUS
from maskery.serving.middleware.access import OPEN
from maskery.serving.protocols.base import (
    Content,
    FormSpec,
    Operation,
    ParameterSpec,
    Protocol,
    ResponseSpec,
    Schema,
    binary,
)

Json = dict[str, Any]

SECURITY: Json = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "basic": {"type": "http", "scheme": "basic", "description": "Any user name; the key is the password."},
}
PROBLEMS = {
    400: "The request, or the picture in it, is wrong.",
    415: "The picture is of no known kind.",
    422: "Parameters that mean nothing.",
}
"""What an error's status means, where the codes that have it (``STATUS``) do not say it."""
ATTRIBUTE = re.compile(r"^ *(\w+): (.*(?:\n {8,}(?!\w+: ).*)*)", re.MULTILINE)
"""A line of the ``Attributes:`` of a docstring, and those that go on with it."""
PART_OF_PATH = re.compile(r"\{(\w+)(?::path)?\}")


def document(protocols: Sequence[Protocol], settings: Settings, root_path: str = "") -> Json:
    """The whole document, as plain data. ``root_path``: the prefix at which the application is mounted."""
    schemas = _Schemas(protocols, settings)
    paths: Json = {}
    for protocol in protocols:
        for operation in protocol.operations:
            if not operation.hidden:
                item = paths.setdefault(PART_OF_PATH.sub(r"{\1}", operation.path), {})
                item[operation.verb.lower()] = _operation(operation, protocol, schemas, settings)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Maskery",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Image segmentation as a service. A picture in, a mask in the picture's own pixels out.",
        },
        "servers": [{"url": root_path or "/"}],
        "tags": [{"name": name} for name in ("segment", "jobs", "models", "health")],
        "paths": paths,
        "components": {"schemas": schemas.components, "securitySchemes": SECURITY},
        # Without keys an empty list: nothing is asked for.
        "security": [{name: []} for name in SECURITY] if settings.api_keys or settings.api_keys_file else [],
    }


class _Schemas:
    """The JSON Schemas of all types that the operations name; ``components``: those of the classes among them."""

    def __init__(self, protocols: Sequence[Protocol], settings: Settings) -> None:
        self._max_bytes = settings.max_bytes
        kinds = list(dict.fromkeys(_types(_kinds(protocols))))
        found, self.components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
        self._by_kind = dict(zip(kinds, found, strict=True))
        for component in self.components.values():
            _describe(component)

    def of(self, kind: Schema) -> Json:
        """The schema of one type; a reference where it is a class."""
        if isinstance(kind, FormSpec):
            properties = {kind.file: binary("image/*", self._max_bytes)}
            properties |= {field.name: self.of(field.kind) | {"description": field.text} for field in kind.fields}
            required = [kind.file, *(field.name for field in kind.fields if field.required)]
            return {"type": "object", "properties": properties, "required": required}
        if isinstance(kind, tuple):
            return {"anyOf": [self.of(one) for one in kind]}
        return dict(kind if isinstance(kind, dict) else self._by_kind[kind])

    def content(self, content: Content) -> Json:
        """Bodies by media type."""
        return {media_type: {"schema": self.of(kind)} for media_type, kind in content.items()}


def _describe(component: Json) -> None:
    """Give the properties of a class what the ``Attributes:`` of its docstring say of them."""
    text, _, attributes = str(component.get("description", "")).partition("Attributes:\n")
    if not attributes:
        return
    component["description"] = text.strip()
    for name, about in ATTRIBUTE.findall(attributes):
        if name in component["properties"]:
            # What is said beside the property itself comes first.
            component["properties"][name] = {"description": " ".join(about.split())} | component["properties"][name]


def _types(kinds: Iterable[Schema]) -> Iterator[Schema]:
    """Those of ``kinds`` that msgspec makes a schema of."""
    for kind in kinds:
        if isinstance(kind, tuple):
            yield from _types(kind)
        elif not isinstance(kind, dict | FormSpec):
            yield kind


def _kinds(protocols: Iterable[Protocol]) -> Iterator[Schema]:
    for protocol in protocols:
        yield protocol.problem
        for operation in protocol.operations:
            yield from (parameter.kind for parameter in operation.parameters)
            for content in (operation.body, *(answer.content for answer in operation.answers.values())):
                yield from content.values()
                yield from (f.kind for form in content.values() if isinstance(form, FormSpec) for f in form.fields)
    yield str


def _operation(operation: Operation, protocol: Protocol, schemas: _Schemas, settings: Settings) -> Json:
    plain: Json = {"tags": [operation.tag or protocol.tag], "summary": operation.summary}
    if operation.id:
        plain["operationId"] = operation.id
    if operation.description:
        plain["description"] = operation.description
    parameters = [_in_path(name, settings) for name in PART_OF_PATH.findall(operation.path)]
    parameters += [_parameter(parameter, schemas) for parameter in operation.parameters]
    if parameters:
        plain["parameters"] = parameters
    if operation.body:
        plain["requestBody"] = {"required": operation.body_required, "content": schemas.content(operation.body)}
    if operation.path in OPEN:
        plain["security"] = []
    answers = dict(operation.answers) | {status: _problem(status, protocol) for status in operation.problems}
    plain["responses"] = {str(status): _response(answers[status], schemas) for status in sorted(answers)}
    return plain


def _response(answer: ResponseSpec, schemas: _Schemas) -> Json:
    content = {"content": schemas.content(answer.content)} if answer.content else {}
    return {"description": answer.text} | content


def _problem(status: int, protocol: Protocol) -> ResponseSpec:
    codes = ", ".join(kind.code for kind, known in STATUS if known == status)
    text = " ".join(part for part in (PROBLEMS.get(status), codes and f"code: {codes}") if part)
    return ResponseSpec(text, {protocol.problem_type: protocol.problem})


def _parameter(parameter: ParameterSpec, schemas: _Schemas) -> Json:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "schema": schemas.of(parameter.kind),
        "description": parameter.text,
    }


def _in_path(name: str, settings: Settings) -> Json:
    """Models are the only parts of paths that have a name that is known here."""
    known = name in ("name", "model") and not is_path(settings.model[0])
    example = {"example": settings.model[0]} if known else {}
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"} | example}
