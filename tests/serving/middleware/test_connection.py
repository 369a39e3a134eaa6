"""What a hostile or clumsy client does to a connection of a real server."""

import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from maskery.serving.middleware import connection
from tests.material import encoded, photo
from tests.serving.live import Server

PICTURE = encoded(photo("chelsea"), "JPEG")
HEAD = b"POST /v1/segment?format=overlay HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With short times: a file that Python reads at start shortens the constants."""
    folder = tmp_path_factory.mktemp("short")
    (folder / "sitecustomize.py").write_text(
        "import maskery.serving.middleware.connection as c\n"
        "c.HEAD_SECONDS, c.READ_SECONDS, c.LINGER_SECONDS = 1.0, 1.0, 0.5\n"
    )
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    server = Server(PYTHONPATH=path, MASKERY_MAX_CONNECTIONS="20", MASKERY_MAX_WAITING_BYTES="3000000")
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _serves_afterwards(server: Server) -> Iterator[None]:
    yield
    deadline = time.monotonic() + 10
    while True:  # until the connections that the test closed are closed here too
        try:
            assert server.post(PICTURE)[0] == 200
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def rest(one: socket.socket) -> bytes:
    """What the server says until it closes."""
    received = b""
    try:
        while part := one.recv(65_536):
            received += part
    except ConnectionResetError:
        pass
    return received


@pytest.mark.parametrize("start", [b"", b"GET ", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_a_head_that_does_not_come_ends_the_connection(server: Server, start: bytes) -> None:
    with connect(server) as slow:
        slow.sendall(start)
        began = time.monotonic()
        answer = rest(slow)
        assert 0.5 < time.monotonic() - began < 5
        assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_head_in_drips_is_given_no_more_time(server: Server) -> None:
    with connect(server) as slow:
        began = time.monotonic()
        try:
            for byte in b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 100:
                slow.sendall(bytes([byte]))
                time.sleep(0.05)
        except OSError:
            pass
        assert time.monotonic() - began < 5


def test_an_endless_header_is_refused(server: Server) -> None:
    with connect(server) as greedy:
        greedy.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ")
        try:
            for _ in range(400):
                greedy.sendall(b"a" * 10_000)
        except OSError:
            return
        assert b" 400 " in rest(greedy)[:20]


def test_a_caller_who_does_not_read_is_dropped(server: Server) -> None:
    large = encoded(photo("astronaut"), "JPEG", (2400, 2400))
    before = open_files(server)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(20)
        deaf.connect(("127.0.0.1", server.port))
        deaf.sendall(HEAD % len(large) + large)
        assert deaf.recv(1) == b"H"  # the answer has begun; the rest is never read
        assert open_files(server) > before
        deadline = time.monotonic() + 30
        while open_files(server) > before:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def open_files(server: Server) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def status(server: Server) -> dict[str, Any]:
    with urlopen(f"http://127.0.0.1:{server.port}/v1/status", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)["models"][0]
    return found


def test_the_work_of_callers_who_left_is_not_done(server: Server) -> None:
    large = encoded(photo("astronaut"), "JPEG", (2400, 2400))
    before = status(server)["runs"]["count"]
    callers = [connect(server) for _ in range(14)]
    for one in callers:
        one.sendall(HEAD % len(large) + large)
    deadline = time.monotonic() + 10
    while not status(server)["queue"]["waiting"]:
        assert time.monotonic() < deadline
    for one in callers:
        one.close()
    while status(server)["queue"]["waiting"] or status(server)["queue"]["running"]:
        assert time.monotonic() < deadline + 20
        time.sleep(0.1)
    assert status(server)["runs"]["count"] - before < 10


def test_an_early_answer_ends_the_connection_of_an_endless_body(server: Server) -> None:
    with connect(server) as endless:
        endless.sendall(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        began = time.monotonic()
        try:
            for _ in range(200):
                endless.sendall(b"1\r\nx\r\n")
                time.sleep(0.05)
        except OSError:
            pass
        assert time.monotonic() - began < 6


def test_no_more_connections_than_allowed(server: Server) -> None:
    many = [connect(server) for _ in range(30)]
    try:
        closed = sum(one.recv(1) == b"" if quiet(one) else False for one in many[20:])
        assert closed >= 9
    finally:
        for one in many:
            one.close()
    time.sleep(0.2)


def quiet(one: socket.socket) -> bool:
    one.settimeout(0.5)
    try:
        return one.recv(1, socket.MSG_PEEK) == b""
    except ConnectionResetError:
        return False
    except TimeoutError:
        return False


def test_bodies_of_all_callers_together_are_bounded(server: Server) -> None:
    held = [connect(server) for _ in range(2)]
    try:
        for one in held:
            one.sendall(HEAD % 2_000_000 + bytes(1_400_000))
        time.sleep(0.3)
        status, body = server.post(bytes(1_500_000))
        assert status == 503
        assert b'"busy"' in body
        assert server.post(PICTURE)[0] == 200  # small ones are still answered
    finally:
        for one in held:
            one.close()
    deadline = time.monotonic() + 5
    while server.post(bytes(1_500_000))[0] == 503:
        assert time.monotonic() < deadline


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300),
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/segment HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/segment HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"POST /v1/segment HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"POST /v1/segment HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
        b"POST /v1/segment HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http:///:::// HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGARBAGE AFTERWARDS\r\n\r\n" * 20,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ],
)
def test_garbage_gets_a_4xx_or_an_end_never_a_5xx(server: Server, garbage: bytes) -> None:
    with connect(server) as one:
        one.sendall(garbage)
        one.settimeout(3)
        answer = b""
        try:
            while part := one.recv(65_536):
                answer += part
        except (TimeoutError, ConnectionResetError):
            pass
    assert b"HTTP/1.1 5" not in answer
    assert b"Traceback" not in answer


def test_half_closed_and_wrong_lengths(server: Server) -> None:
    with connect(server) as half:
        half.sendall(HEAD % len(PICTURE) + PICTURE)
        half.shutdown(socket.SHUT_WR)
        assert b"HTTP/1.1 5" not in rest(half)[:12]
    with connect(server) as short:
        short.sendall(HEAD % (len(PICTURE) + 50) + PICTURE)
        short.shutdown(socket.SHUT_WR)
        assert b"HTTP/1.1 5" not in rest(short)[:12]
    with connect(server) as long:
        long.sendall(HEAD % (len(PICTURE) - 50) + PICTURE)
        assert b"HTTP/1.1 5" not in rest(long)[:12]


def test_nothing_is_left_of_all_this(server: Server) -> None:
    server.post(PICTURE)
    before = open_files(server)
    for _ in range(50):
        with connect(server) as one:
            one.sendall(HEAD % 5000 + bytes(100))
            time.sleep(0.01)  # fewer than max_connections at once
    deadline = time.monotonic() + 10
    while open_files(server) > before:
        assert time.monotonic() < deadline, (open_files(server), before)
        time.sleep(0.1)
    crashes = [line for line in server.lines if "Traceback" in line or "Task exception" in line]
    assert not crashes


def test_the_constants_are_sane() -> None:
    assert connection.HEAD_SECONDS >= 10
    assert connection.READ_SECONDS >= 10
