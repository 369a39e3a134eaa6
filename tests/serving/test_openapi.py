"""The OpenAPI document: made of the operations that are served and of the types that they answer."""

from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, meta
from starlette.routing import Route
from starlette.testclient import TestClient

from maskery.core.settings import Settings
from maskery.encode.options import HELP
from maskery.encode.registry import ENCODERS
from maskery.serving.app import create_app
from maskery.serving.middleware.access import OPEN
from maskery.serving.openapi import _describe
from tests.material import encoded, photo
from tests.serving.protocols.entry_points import ENTRY_POINTS, EntryPoint

PICTURE = encoded(photo("chelsea"), "JPEG", (96, 64))
Json = dict[str, Any]


@pytest.fixture(scope="module")
def document(client: TestClient) -> Json:
    found: Json = client.get("/openapi.json").json()
    return found


def operations(document: Json) -> dict[str, Json]:
    return {f"{verb} {path}": o for path, item in document["paths"].items() for verb, o in item.items()}


def check(
    document: Json, operation: Json, answer: Any, status: int = 200, media_type: str = "application/json"
) -> None:
    """Raises where ``answer`` is not what the document says."""
    schema = operation["responses"][str(status)]["content"][media_type]["schema"]
    whole = schema | {"components": document["components"]}
    Draft202012Validator(whole).validate(answer)


def references(value: object) -> list[str]:
    if isinstance(value, dict):
        return [v for k, v in value.items() if k == "$ref"] + [r for v in value.values() for r in references(v)]
    return [r for v in value for r in references(v)] if isinstance(value, list) else []


def test_every_route_is_described_and_nothing_else(client: TestClient, document: Json) -> None:
    routes = [route for route in client.app.routes if isinstance(route, Route)]  # type: ignore[attr-defined]
    served = {route.path.replace(":path}", "}") for route in routes}
    hidden = {
        "/",
        "/docs",
        "/status",
        "/openapi.json",
        "/label-studio/",
        "/v2/{path}",
        "/label-studio/{path}",
        "/cvat/{path}",
    }
    assert set(document["paths"]) == served - hidden


def test_parameters_and_problems_of_segment(document: Json) -> None:
    segment = operations(document)["post /v1/segment"]
    assert {p["name"] for p in segment["parameters"]} == {
        "model",
        "task",
        "format",
        "classes",
        "max_side",
        "tile",
        "score",
        "overlap",
        "max_objects",
        *HELP,
    }
    assert {"400", "404", "413", "415", "503"} <= set(segment["responses"])
    assert {encoder.media_type for encoder in ENCODERS.values()} == set(segment["responses"]["200"]["content"])


def test_every_reference_leads_somewhere(document: Json) -> None:
    names = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= names
    for schema in document["components"]["schemas"].values():
        meta.validate(schema)


def test_what_is_open_without_a_key_says_so() -> None:
    asked = TestClient(create_app(Settings(api_keys=("0123456789abcdefghij",))))
    document = asked.get("/openapi.json").json()
    assert document["security"] == [{"bearer": []}, {"header": []}, {"basic": []}]
    for path, item in document["paths"].items():
        assert all((operation.get("security") == []) == (path in OPEN) for operation in item.values()), path


def test_only_what_is_served() -> None:
    paths = TestClient(create_app(Settings(protocols=("rembg",)))).get("/openapi.json").json()["paths"]
    assert "/api/remove" in paths
    assert not [path for path in paths if path.startswith(("/v2", "/hf", "/model/", "/label-studio"))]


@pytest.mark.parametrize(
    "path",
    [
        *("/livez", "/readyz", "/v1/status", "/v1/models", "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models"),
        *("/model/labels", "/model/metadata", "/label-studio/health", "/label-studio"),
    ],
)
def test_answers_are_as_described(client: TestClient, document: Json, path: str) -> None:
    check(document, operations(document)[f"get {path}"], client.get(path).json())


@pytest.mark.parametrize("path", ["/v1/models/{name}", "/v2/models/{name}", "/v2/models/{name}/ready"])
@pytest.mark.parametrize("name", ["everyday", "faces", "cifar10"])
def test_models_are_as_described(client: TestClient, document: Json, path: str, name: str) -> None:
    answer = client.get(path.format(name=name))
    check(document, operations(document)[f"get {path}"], answer.json(), answer.status_code)


@pytest.mark.parametrize("query", ["", "?format=summary", "?format=summary&model=cifar10", "?format=json&model=faces"])
def test_segmentations_are_as_described(client: TestClient, document: Json, query: str) -> None:
    check(
        document, operations(document)["post /v1/segment"], client.post(f"/v1/segment{query}", content=PICTURE).json()
    )
    several = client.post(f"/v1/segment{query}", files=[("image", PICTURE), ("image", b"no picture")]).json()
    schema = {"$ref": "#/components/schemas/PictureAnswers", "components": document["components"]}
    Draft202012Validator(schema).validate(several)


@pytest.mark.parametrize("entry_point", ENTRY_POINTS, ids=lambda entry_point: entry_point.name)
def test_protocols_answer_as_described(client: TestClient, document: Json, entry_point: EntryPoint) -> None:
    for data in (PICTURE, b"no picture"):
        answer = entry_point.send(client, data)
        path = answer.url.path.replace("/everyday", "/{name}" if "/v2/" in answer.url.path else "/{model}")
        operation = operations(document)[f"{answer.request.method.lower()} {path}"]
        media_type = answer.headers["content-type"]
        assert media_type in operation["responses"][str(answer.status_code)]["content"]
        if media_type == "application/json":
            check(document, operation, answer.json(), answer.status_code)


def test_properties_are_described_by_the_docstrings(document: Json) -> None:
    schemas = document["components"]["schemas"]
    model = schemas["ModelDocument"]
    assert model["description"] == "A card, for everybody to read."
    assert model["properties"]["palette"]["description"] == "Their colours, #rrggbb, by id."
    assert all("description" in one for one in model["properties"].values())
    assert not [name for name, schema in schemas.items() if "Attributes:" in schema.get("description", "")]


def test_a_description_of_several_lines() -> None:
    component = {
        "description": "A thing.\n\nAttributes:\n    a: One\n        and more.\n    b: Two.\n    c: Not there.",
        "properties": {"a": {"type": "string"}, "b": {"type": "integer", "description": "Its own."}},
    }
    _describe(component)
    assert component == {
        "description": "A thing.",
        "properties": {
            "a": {"description": "One and more.", "type": "string"},
            "b": {"description": "Its own.", "type": "integer"},
        },
    }
