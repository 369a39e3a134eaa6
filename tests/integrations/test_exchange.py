"""Retries, waits and deadlines without a network: the server is a list of answers, and only waits move the clock."""

import json

import pytest

from maskery.core import errors
from maskery.core.errors import MaskeryError
from maskery.integrations.exchange import Call, NoReply, Patience, Pause, Reply, error_of, exchange, parsed
from maskery.serving.http.problems import body_of, status_of

OK = Reply(200, {}, b"fine")
BUSY = Reply(503, {"retry-after": "2"}, b'{"code": "busy", "detail": "Full.", "cure": "Later."}')
GONE = NoReply("connection refused")
PATIENT = Patience()
CALL = Call(verb="POST", path="v1/segment", body=b"x")


class Conversation:
    """What ``exchange`` did with these outcomes, one a call; ``seconds``: how long each call takes."""

    def __init__(self, *outcomes: Reply | NoReply, patience: Patience = PATIENT, seconds: float = 0.0) -> None:
        self.now = 100.0
        self.calls: list[Call] = []
        self.pauses: list[float] = []
        self.reply: Reply | None = None
        self.error: MaskeryError | None = None
        steps, waiting, outcome = exchange(CALL, patience, lambda: self.now, lambda: 0.5), list(outcomes), None
        try:
            while True:
                step = steps.send(outcome)
                if isinstance(step, Pause):
                    self.pauses.append(step.seconds)
                    self.now, outcome = self.now + step.seconds, None
                else:
                    self.calls.append(step)
                    self.now, outcome = self.now + seconds, waiting.pop(0)
        except StopIteration as done:
            self.reply = done.value
        except MaskeryError as error:
            self.error = error


def test_an_answer_at_once() -> None:
    talk = Conversation(OK)
    assert (talk.reply, talk.pauses) == (OK, [])
    assert talk.calls[0].headers == {"X-Request-Timeout": "60.000", "Content-Type": "application/octet-stream"}


def test_a_busy_server_is_asked_again_no_sooner_than_it_says() -> None:
    talk = Conversation(BUSY, BUSY, OK)
    assert talk.reply == OK
    assert talk.pauses == [2.25, 2.25]  # 2 s and half of the jitter
    assert [call.timeout for call in talk.calls] == [60, 57.75, 55.5]


def test_a_failed_connection_is_tried_again_after_longer_and_longer_waits() -> None:
    talk = Conversation(GONE, GONE, Reply(502, {}, b"<html>"), OK)
    assert talk.reply == OK
    assert talk.pauses == [0.28125, 0.5625, 1.125]


@pytest.mark.parametrize(("outcome", "kind"), [(BUSY, errors.Busy), (GONE, errors.RemoteError)])
def test_retries_are_bounded(outcome: Reply | NoReply, kind: type[MaskeryError]) -> None:
    talk = Conversation(*[outcome] * 3, patience=Patience(60, 2))
    assert len(talk.calls) == 3
    assert type(talk.error) is kind


def test_the_deadline_bounds_calls_and_waits() -> None:
    talk = Conversation(BUSY, BUSY, BUSY, patience=Patience(5.0), seconds=1.0)
    assert isinstance(talk.error, errors.Busy)
    assert [call.timeout for call in talk.calls] == [5.0, 1.75]  # a third call would come too late
    late = Conversation(NoReply("the time was over", late=True))
    assert len(late.calls) == 1
    assert "timeout" in str(late.error)


def test_what_would_fail_again_is_not_asked_again() -> None:
    talk = Conversation(Reply(400, {}, b'{"code": "bad-request", "detail": "No."}'))
    assert type(talk.error) is errors.BadRequest
    assert len(talk.calls) == 1


def every_error() -> list[type[MaskeryError]]:
    found: list[type[MaskeryError]] = [MaskeryError]
    for kind in found:
        found += kind.__subclasses__()
    return [kind for kind in found if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_a_problem_becomes_the_error_that_it_was_made_of(kind: type[MaskeryError]) -> None:
    error = kind("It is so.", "Do that.")
    problem = body_of(error)
    body = json.dumps({"code": problem.code, "detail": problem.detail, "cure": problem.cure}).encode()
    again = error_of(Reply(status_of(error), {"retry-after": "7"}, body))
    assert isinstance(error, type(again))  # classes with one code come back as the most general of them
    assert again.code == error.code
    assert (again.message, again.cure) == ("It is so.", "Do that.")
    assert getattr(again, "retry_after", 7) == 7


def test_what_is_no_problem_of_maskery_is_a_remote_error() -> None:
    for reply in (Reply(404, {}, b"<html>"), Reply(404, {}, b'{"code": "not-found", "detail": "Nothing."}')):
        error = error_of(reply)
        assert type(error) is errors.RemoteError
        assert "404" in error.message
    with pytest.raises(errors.RemoteError, match="cannot be read"):
        parsed(Reply(200, {}, b"<html>"))


@pytest.mark.parametrize(("timeout", "retries"), [(0, 1), (-1, 1), (float("nan"), 1), (float("inf"), 1), (1, -1)])
def test_patience_has_bounds(timeout: float, retries: int) -> None:
    with pytest.raises(errors.BadRequest, match="Give"):
        Patience(timeout, retries)
