"""The log: a line for every request, as text for people or as JSON for programs. Never a picture, a key or a query."""

import logging
import sys
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from maskery.serving.http.request_log import RequestLog, request_id

access = logging.getLogger("maskery.access")

# Asked every few seconds by machines and by the status page: these lines would bury the others.
QUIET = frozenset(
    (
        *("/livez", "/readyz", "/health", "/healthz", "/ping", "/metrics", "/v1/status"),
        *("/v2/health/live", "/v2/health/ready", "/label-studio/health"),
    )
)
LONGEST_PATH = 200

# What would break a line, or play tricks on a terminal.
CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What is logged of one request.

    Attributes:
        client: the caller's address; empty = not known.
        method: the HTTP method.
        path: without the query.
        status: the HTTP status.
        ms: milliseconds from the request's head to the end of its answer.
        bytes_in: size of the request's body.
        bytes_out: size of the answer's body.
        protocol: name of the protocol.
        model: name of the model.
        format: format of the answer.
        problem: code of an error.
        request_id: the id that the answer's header has.
    """

    client: str
    method: str
    path: str
    status: int
    ms: float
    bytes_in: int
    bytes_out: int
    protocol: str
    model: str
    format: str
    problem: str
    request_id: str

    def __str__(self) -> str:
        """As a line of text; what is not known is a dash."""
        words = (self.protocol, self.model, self.format, self.problem, self.request_id)
        return (
            f"{self.client or '-'} {self.method} {self.path} {self.status} {self.ms:.1f} ms, {self.bytes_in} bytes in, "
            f"{self.bytes_out} out, {' '.join(word or '-' for word in words)}"
        )


def write(scope: Mapping[str, Any], record: RequestLog, seconds: float, quiet: bool = False) -> None:
    """Log one request; a ``quiet`` one at level debug."""
    level = logging.DEBUG if quiet else logging.INFO
    if not access.isEnabledFor(level):
        return
    client = scope.get("client")
    answered = Answered(
        client=client[0] if client else "",
        method=scope["method"],
        path=_shown_path(scope),
        status=record.status,
        ms=round(seconds * 1000, 2),
        bytes_in=record.bytes_in,
        bytes_out=record.bytes_out,
        protocol=record.protocol,
        model=record.model,
        format=record.format,
        problem=record.problem,
        request_id=request_id.get(),
    )
    # Not ``access.log``: that looks for the line of code that called it, which costs as much as the rest.
    access.handle(access.makeRecord(access.name, level, __file__, 0, answered, (), None))


def _shown_path(scope: Mapping[str, Any]) -> str:
    """The path as it was sent, percent-encoded, without the query; long ones are cut."""
    path: str = scope["path"]
    sent: bytes = scope.get("raw_path") or path.encode()
    path = sent.decode("ascii", "backslashreplace")
    return path if len(path) <= LONGEST_PATH else path[:LONGEST_PATH] + "..."


def set_up_logging(level: str, format: str) -> None:
    """Log to standard error. ``format``: "text" or "json". For the owner of a process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if format == "json" else TextLines())
    logging.basicConfig(level=level.upper(), handlers=[handler])


class TextLines(logging.Formatter):
    """Time, level, logger, message. No message makes more than one line; a traceback follows in its own."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s%(of_request)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The line, with the request's id where the code worked for one and the message does not say it."""
        name = request_id.get()
        known = name == "-" or isinstance(record.msg, Answered)
        record.of_request = "" if known else f" [{name}]"
        if not record.message.isprintable():
            record.message = record.message.translate(CONTROL)
        return super().formatMessage(record)


class JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger; then a request's fields, or message, request_id and error."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if isinstance(record.msg, Answered):
            line |= msgspec.structs.asdict(record.msg)
        else:
            message = record.getMessage().encode("utf-8", "backslashreplace").decode()
            line |= {"message": message, "request_id": request_id.get()}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()
