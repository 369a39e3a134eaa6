"""From operations to routes: verbs, the protocol's own 404 and 405, its name in the log."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.testclient import TestClient

from maskery.serving.http import request_log
from maskery.serving.protocols.base import JSON, Operation, Protocol, binary, get, json_answer, routes_of
from maskery.serving.protocols.envelope import Failure


async def say(_: Request) -> Response:
    return PlainTextResponse(request_log.current().protocol or "said")


def envelope(failure: Failure) -> Response:
    return PlainTextResponse(failure.text, failure.status, failure.headers)


def client(prefix: str = "", answers_options: bool = True) -> TestClient:
    post = Operation(verb="POST", path="/a/{name}", handler=say, summary="Say it.", answers=json_answer(str))
    protocol = Protocol(
        name="words",
        tag="words",
        operations=(post, get("/a/{name}", say, "Say it.", json_answer(str)), get("/a", say, "Say it.", {})),
        envelope=envelope,
        problem=str,
        prefix=prefix,
        answers_options=answers_options,
    )
    return TestClient(Starlette(routes=routes_of(protocol)))


def test_verbs_of_one_path() -> None:
    asked = client()
    assert asked.get("/a/x").text == asked.post("/a/x").text == "said"
    head = asked.head("/a/x")
    assert (head.status_code, head.text) == (200, "")
    assert sorted(asked.options("/a/x").headers["allow"].split(", ")) == ["GET", "HEAD", "OPTIONS", "POST"]


@pytest.mark.parametrize(("path", "verb", "allow"), [("/a/x", "PUT", 4), ("/a", "POST", 3), ("/a", "DELETE", 3)])
def test_a_wrong_verb_is_refused_in_the_envelope(path: str, verb: str, allow: int) -> None:
    refused = client().request(verb, path)
    assert (refused.status_code, refused.text) == (405, "The method is not allowed for the requested URL.")
    assert len(refused.headers["allow"].split(", ")) == allow


def test_options_are_a_wrong_verb_where_the_protocol_has_none() -> None:
    refused = client(answers_options=False).options("/a")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


def test_other_paths_below_the_prefix() -> None:
    assert client().get("/b/c").text == "Not Found"
    assert client(prefix="/b").get("/b/c").text == "There is nothing at /b/c."


def test_schemas_of_answers_and_bytes() -> None:
    assert json_answer(int, "A number.", 201)[201].content == {JSON: int}
    assert binary("image/png", 5) == {"type": "string", "contentMediaType": "image/png", "maxLength": 5}
