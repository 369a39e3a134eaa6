"""From error to status, and the body of a problem."""

import msgspec
import pytest

from maskery.core import errors
from maskery.serving.http.problems import STATUS, body_of, headers_of, problem, refusal, status_of


def kinds(kind: type[errors.MaskeryError]) -> list[type[errors.MaskeryError]]:
    return [kind, *(below for one in kind.__subclasses__() for below in kinds(one))]


def test_every_error_has_a_status_and_the_first_match_is_the_nearest() -> None:
    for kind in kinds(errors.MaskeryError):
        matches = [(known, status) for known, status in STATUS if issubclass(kind, known)]
        assert matches, kind
        assert all(issubclass(matches[0][0], other) or not issubclass(other, matches[0][0]) for other, _ in matches)


def test_statuses() -> None:
    assert status_of(errors.TooLarge("x", "y")) == 413
    assert status_of(errors.BadRequest("x", "y")) == 400
    assert status_of(errors.Busy("x", "y", 1)) == 503
    assert status_of(errors.MaskeryError("x", "y")) == 500


def test_a_body_without_what_is_empty() -> None:
    body = msgspec.to_builtins(body_of(errors.UnknownModel("No such.", "Ask.")))
    expected = {"type": "urn:maskery:problem:unknown-model", "title": "Unknown model", "status": 404}
    assert body == expected | {"detail": "No such.", "code": "unknown-model", "cure": "Ask."}


def test_a_refusal_speaks_to_the_clients_of_all_protocols() -> None:
    body = msgspec.json.decode(refusal(errors.Unauthorized("Who?", "Say it.")).body)
    assert body["error"] == "Who? Say it."


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (errors.Busy("x", "y", 4), {"Retry-After": "4"}),
        (errors.Unchanged("x", "y", 'W/"a"'), {"ETag": 'W/"a"'}),
        (errors.BadRequest("x", "y"), {}),
    ],
)
def test_headers(error: errors.MaskeryError, headers: dict[str, str]) -> None:
    assert headers_of(error) == headers


def test_the_media_type() -> None:
    assert problem(400, "bad-request", "x", "y").headers["content-type"] == "application/problem+json"
