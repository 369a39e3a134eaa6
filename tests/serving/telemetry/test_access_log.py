"""The log: one line a request, what it holds, and what it must never hold."""

import base64
import io
import json
import logging
import re
import socket
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from maskery.serving.http.request_log import RequestLog, request_id
from maskery.serving.telemetry.access_log import (
    LONGEST_PATH,
    QUIET,
    JsonLines,
    TextLines,
    access,
    set_up_logging,
    write,
)
from tests.material import ROOT, encoded, photo
from tests.serving.live import Server

SCOPE = {"method": "POST", "path": "/v1/segment", "raw_path": b"/v1/segment", "client": ("10.0.0.7", 5123)}
RECORD = RequestLog(
    protocol="native", model="everyday", format="mask", problem="", status=200, bytes_in=1234, bytes_out=567
)


@pytest.fixture
def log(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What the root logger writes at level info with the formatter that the test is parametrised with."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(getattr(request, "param", JsonLines)())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_a_request_as_json(log: io.StringIO) -> None:
    token = request_id.set("abc")
    write(SCOPE, RECORD, 0.0421)
    request_id.reset(token)
    (line,) = lines(log)
    datetime.fromisoformat(line.pop("time"))
    assert line == {
        "level": "info",
        "logger": "maskery.access",
        "client": "10.0.0.7",
        "method": "POST",
        "path": "/v1/segment",
        "status": 200,
        "ms": 42.1,
        "bytes_in": 1234,
        "bytes_out": 567,
        "protocol": "native",
        "model": "everyday",
        "format": "mask",
        "problem": "",
        "request_id": "abc",
    }


@pytest.mark.parametrize("log", [TextLines], indirect=True)
def test_a_request_as_text(log: io.StringIO) -> None:
    write(SCOPE, RECORD, 0.0421)
    expected = "10.0.0.7 POST /v1/segment 200 42.1 ms, 1234 bytes in, 567 out, native everyday mask - -\n"
    assert log.getvalue().endswith(f" INFO maskery.access: {expected}")


def test_health_is_quiet(log: io.StringIO) -> None:
    assert {"/livez", "/readyz", "/metrics", "/v1/status", "/v2/health/ready"} <= QUIET
    write(SCOPE, RECORD, 0.001, quiet=True)
    assert log.getvalue() == ""
    access.setLevel(logging.DEBUG)
    write(SCOPE, RECORD, 0.001, quiet=True)
    access.setLevel(logging.NOTSET)
    assert lines(log)[0]["level"] == "debug"


@pytest.mark.parametrize("log", [TextLines, JsonLines], indirect=True)
def test_no_path_and_no_message_can_forge_a_line(log: io.StringIO) -> None:
    forged = "/v1/x\r\n2026-01-01 INFO maskery: all is well\x1b[2J\u2028"
    write(SCOPE | {"path": forged, "raw_path": b"/v1/x%0d%0a2026"}, RECORD, 0.001)
    write(SCOPE | {"path": forged, "raw_path": None}, RECORD, 0.001)
    logging.getLogger("maskery").info("POST %s failed", forged)
    logging.getLogger("maskery").info("\udcff")
    text = log.getvalue()
    assert len(text.split("\n")) == 5
    assert "\x1b" not in text


def test_long_paths_are_cut(log: io.StringIO) -> None:
    path = "/" + "x" * 5000
    write(SCOPE | {"path": path, "raw_path": path.encode()}, RECORD, 0.001)
    assert len(lines(log)[0]["path"]) == LONGEST_PATH + 3


def test_a_caller_without_address(log: io.StringIO) -> None:
    write(SCOPE | {"client": None}, RECORD, 0.001)
    assert lines(log)[0]["client"] == ""


@pytest.mark.parametrize("log", [TextLines, JsonLines], indirect=True)
def test_other_lines_name_the_request_and_keep_the_traceback(log: io.StringIO) -> None:
    token = request_id.set("abc")
    try:
        raise ValueError("a cause")
    except ValueError:
        logging.getLogger("maskery").exception("it failed")
    request_id.reset(token)
    text = log.getvalue()
    for part in ("it failed", "abc", "Traceback", "a cause"):
        assert part in text


def test_every_field_is_documented_and_every_documented_one_exists(log: io.StringIO) -> None:
    write(SCOPE, RECORD, 0.001)
    try:
        raise ValueError
    except ValueError:
        logging.getLogger("maskery").exception("it failed")
    section = (ROOT / "docs" / "observability.md").read_text().split("## Log")[1].split("## ")[0]
    names = [
        name for row in re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    ]
    assert sorted(names) == sorted({key for line in lines(log) for key in line})


def test_set_up_once_for_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = logging.RootLogger(logging.WARNING)
    monkeypatch.setattr(logging, "root", bare)
    set_up_logging("debug", "json")
    (handler,) = bare.handlers
    assert bare.level == logging.DEBUG
    assert isinstance(handler, logging.StreamHandler)
    assert handler.stream is sys.stderr
    assert isinstance(handler.formatter, JsonLines)


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_server_logs_requests_and_no_picture_query_or_key(format: str) -> None:
    picture = encoded(photo("chelsea"), "JPEG", (64, 48))
    server = Server(MASKERY_LOG_FORMAT=format, MASKERY_LOG_LEVEL="debug")
    status, _ = server.post(picture, "?classes=cat&format=json")
    refused, _ = server.post(picture, "?secret=hunter2")
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as leaver:
        leaver.sendall(b"POST /v1/segment HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nonly this")
    server.raw(b"GET /livez HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer hunter3\r\nConnection: close\r\n\r\n")
    end = time.monotonic() + 10
    while sum("/v1/segment" in line for line in list(server.lines)) < 3 and time.monotonic() < end:
        time.sleep(0.05)
    server.stop()
    assert (status, refused) == (200, 400)
    text = "".join(server.lines)
    answered = [line for line in text.splitlines() if "/v1/segment" in line]
    assert len(answered) == 3
    assert "hunter" not in text
    assert "classes" not in text
    assert base64.b64encode(picture)[:40].decode() not in text
    assert max(len(line) for line in text.splitlines()) < 1000
    if format == "json":
        good, bad, left = sorted(map(json.loads, answered), key=lambda line: line["status"])
        assert good["bytes_in"] == len(picture)
        assert (good["status"], good["protocol"], good["client"]) == (200, "native", "127.0.0.1")
        assert (bad["status"], bad["problem"]) == (400, "bad-request")
        assert (left["status"], left["bytes_in"]) == (499, len(b"only this"))
