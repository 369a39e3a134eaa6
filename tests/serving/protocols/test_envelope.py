"""Whatever is raised becomes an answer in the protocol's own words, once, and the request's log knows of it."""

import logging

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from maskery.core.errors import Busy, PictureError, Unauthorized
from maskery.serving.http import request_log
from maskery.serving.http.request_log import RequestLog
from maskery.serving.protocols.envelope import Failure, problem_envelope, with_errors


def in_words(failure: Failure) -> Response:
    text = f"{failure.code}|{failure.text}|{failure.request}"
    return PlainTextResponse(text, failure.status, failure.headers)


def answer_to(error: Exception, monkeypatch: pytest.MonkeyPatch) -> tuple[Response, RequestLog]:
    """The answer to a request whose handler raises ``error``, and the request's log."""
    log = RequestLog()
    monkeypatch.setattr(request_log, "current", lambda: log)

    async def handler(_: Request) -> Response:
        raise error

    app = Starlette(routes=[Route("/x", with_errors(handler, in_words, "words"))])
    response: Response = TestClient(app).get("/x")  # type: ignore[assignment]
    return response, log


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (PictureError("It is cut off.", "Send it again."), 400, "damaged-picture|It is cut off. Send it again.|"),
        (Busy("Too many.", "Wait.", 7), 503, "busy|Too many. Wait.|"),
        (HTTPException(405, "Not so."), 405, "method-not-allowed|Not so.|GET /x"),
        (HTTPException(404), 404, "not-found|Not Found|GET /x"),
    ],
)
def test_errors_in_the_words_of_the_envelope(
    error: Exception, status: int, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    response, log = answer_to(error, monkeypatch)
    assert (response.status_code, response.text) == (status, text)  # type: ignore[attr-defined]
    assert (log.protocol, log.problem) == ("words", text.partition("|")[0])


def test_headers_of_an_error_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer_to(Busy("Too many.", "Wait.", 7), monkeypatch)[0].headers["retry-after"] == "7"
    assert "Bearer" in answer_to(Unauthorized("Who?", "Say it."), monkeypatch)[0].headers["www-authenticate"]
    assert answer_to(HTTPException(405, "", {"Allow": "GET"}), monkeypatch)[0].headers["allow"] == "GET"


def test_a_crash_is_logged_and_says_nothing_of_itself(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    response, log = answer_to(ValueError("secret"), monkeypatch)
    assert response.status_code == 500
    assert "secret" not in response.text  # type: ignore[attr-defined]
    assert log.problem == "internal-error"
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info
    assert "GET /x failed" in record.getMessage()


def test_a_caller_who_left_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    response, log = answer_to(ClientDisconnect(), monkeypatch)
    assert (response.status_code, log.problem) == (499, "")


def test_the_native_envelope() -> None:
    plain = problem_envelope(Failure(status=400, code="bad-request", message="It is wrong.", cure="Mend it."))
    assert plain.media_type == "application/problem+json"
    assert b'"detail":"It is wrong.","code":"bad-request","cure":"Mend it."' in plain.body
    wrong_verb = Failure(status=405, code="method-not-allowed", message="No.", request="PUT /v1/x")
    assert b'"detail":"PUT /v1/x: Method Not Allowed."' in problem_envelope(wrong_verb).body
