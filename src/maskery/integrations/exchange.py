"""One question to a Maskery server, with its retries and its deadline, apart from any HTTP library.

``exchange`` is a generator that says what is to be done next: send a ``Call``, or wait for a ``Pause``. Whoever drives
it, with threads or without, sends back what came of the call, so that both clients keep the same rules.
"""

import itertools
import random
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from maskery.core import errors
from maskery.core.errors import MaskeryError, RemoteError

TIMEOUT_HEADER = "X-Request-Timeout"
RETRIED = frozenset({429, 502, 503, 504})
"""Statuses after which the same question may be answered: too many requests, or a proxy whose server is not there."""
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 10.0  # seconds, where the server does not say how long to wait
JITTER = 0.25  # a wait is longer by up to this share, lest all callers come back at once
NOT_MASKERY = "Check the address: it is that of the server, http://host:port, without /v1."


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request.

    Attributes:
        verb: GET or POST.
        path: Below the server's address.
        query: Parameters.
        body: Bytes to send.
        kind: Their media type.
        timeout: Seconds that are left for it.
    """

    verb: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    kind: str = "application/octet-stream"
    timeout: float = 0.0

    @property
    def headers(self) -> dict[str, str]:
        """How long the server may take, and what the body is."""
        kind = {"Content-Type": self.kind} if self.body else {}
        return {TIMEOUT_HEADER: f"{self.timeout:.3f}"} | kind


@dataclass(frozen=True)
class Reply:
    """What the server answered; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class NoReply:
    """Why no answer came. ``late``: the time was over."""

    reason: str
    late: bool = False


@dataclass(frozen=True)
class Pause:
    """Wait for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Patience:
    """``timeout``: seconds for a question with all its retries. ``retries``: how often it is asked again at most."""

    timeout: float = 60.0
    retries: int = 4

    def __post_init__(self) -> None:
        if not 0 < self.timeout < float("inf"):
            raise errors.BadRequest(f"timeout is {self.timeout}.", "Give seconds above 0, timeout=30 say.")
        if self.retries < 0:
            raise errors.BadRequest(f"retries is {self.retries}.", "Give 0 or more.")


Exchange = Generator[Call | Pause, Reply | NoReply | None, Reply]


def exchange(
    call: Call,
    patience: Patience,
    clock: Callable[[], float] = time.monotonic,
    chance: Callable[[], float] = random.random,
) -> Exchange:
    """Ask until there is an answer, and return it.

    Asks again after a connection that failed and after a status of ``RETRIED``, no sooner than ``Retry-After`` says,
    as long as retries and time are left. Raises the error that the server answered, and ``RemoteError``.
    """
    ends = clock() + patience.timeout
    for attempt in itertools.count():
        outcome = yield replace(call, timeout=max(0.001, ends - clock()))
        if isinstance(outcome, Reply) and outcome.status < 300:
            return outcome
        assert outcome is not None
        error = error_of(outcome)
        seconds = _pause(outcome, attempt) * (1 + JITTER * chance())
        if attempt >= patience.retries or not _may_change(outcome) or seconds >= ends - clock():
            raise error
        yield Pause(seconds)
    raise AssertionError("the attempts are counted without end")


def _may_change(outcome: Reply | NoReply) -> bool:
    return not outcome.late if isinstance(outcome, NoReply) else outcome.status in RETRIED


def _pause(outcome: Reply | NoReply, attempt: int) -> float:
    """Seconds until the question is asked again: what the server says, else twice as long each time."""
    said = _retry_after(outcome.headers) if isinstance(outcome, Reply) else None
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt) if said is None else float(said)


def _retry_after(headers: Mapping[str, str]) -> int | None:
    text = headers.get("retry-after", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else None


class _Problem(msgspec.Struct, frozen=True):
    """The parts of an RFC 9457 problem that make an error."""

    code: str
    detail: str = ""
    cure: str = ""


def error_of(outcome: Reply | NoReply) -> MaskeryError:
    """What went wrong as the exception that a local call raises: by the problem's ``code``.

    ``RemoteError`` where there was no answer, or none of Maskery's.
    """
    if isinstance(outcome, NoReply):
        cure = "Give it more time (timeout)." if outcome.late else "Is the server running, and is its address right?"
        return RemoteError(f"The server did not answer: {outcome.reason}.", cure)
    try:
        problem = msgspec.json.decode(outcome.body, type=_Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return RemoteError(f"The server answered {outcome.status}, not as Maskery does.", NOT_MASKERY)
    kind = _by_code().get(problem.code)
    if kind is None:
        return RemoteError(f"The server answered {outcome.status}: {problem.detail or problem.code}", problem.cure)
    error = kind(problem.detail, problem.cure)
    if isinstance(error, errors.Busy | errors.RateLimited):
        error.retry_after = _retry_after(outcome.headers) or error.retry_after
    return error


def _by_code() -> dict[str, type[MaskeryError]]:
    """The class that brings each code into the tree; those below it with the same code are not told apart."""
    found: dict[str, type[MaskeryError]] = {}
    kinds: list[type[MaskeryError]] = [MaskeryError]
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        if "code" in vars(kind):
            found[kind.code] = kind
    return found


def parsed(reply: Reply, kind: type[Any] = dict) -> Any:
    """The JSON of an answer as ``kind``. Raises ``RemoteError`` where it is none."""
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RemoteError(f"The server's answer cannot be read: {error}.", NOT_MASKERY) from error
