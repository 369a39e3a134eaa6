"""A real server process: its start, slow and broken clients, its end."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from tests.material import encoded, photo
from tests.serving.live import Server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server(MASKERY_TIMEOUT="3.0")
    yield server
    server.stop()


def test_a_slow_body_is_given_up_and_others_are_served(server: Server) -> None:
    head = b"POST /v1/segment HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as slow:
        slow.sendall(head + b"only this")
        status, _ = server.post(encoded(photo("chelsea"), "JPEG"))
        assert status == 200
        answer = b""
        while b"slow-request" not in answer and (part := slow.recv(65_536)):
            answer += part
    assert b" 408 " in answer.splitlines()[0]
    assert b"slow-request" in answer


def test_garbage_and_callers_who_leave(server: Server) -> None:
    assert b" 400 " in server.raw(b"this is not HTTP\r\n\r\n").splitlines()[0]
    for cut in (10, 60, 300):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            message = b"POST /v1/segment HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n" + bytes(500)
            connection.sendall(message[:cut])
    two = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 2
    assert server.raw(two).count(b'{"live":true}') == 2
    status, _ = server.post(encoded(photo("chelsea"), "JPEG"))
    assert status == 200


def test_a_length_that_announces_too_much_is_refused_at_once(server: Server) -> None:
    started = time.monotonic()
    answer = server.raw(b"POST /v1/segment HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\nx")
    assert b" 413 " in answer.splitlines()[0]
    assert time.monotonic() - started < 10


def test_sigterm_finishes_what_was_begun() -> None:
    server = Server()
    picture, answers = encoded(photo("astronaut"), "PNG", (2000, 1500)), []
    callers = [
        threading.Thread(target=lambda: answers.append(server.post(picture, "?format=cutout"))) for _ in range(3)
    ]
    for caller in callers:
        caller.start()
    time.sleep(0.3)
    assert server.stop() in (0, -signal.SIGTERM)
    for caller in callers:
        caller.join()
    assert [status for status, _ in answers] == [200] * 3


def test_a_port_in_use_is_a_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "maskery", "serve", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Choose another --port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_by_path_is_served_and_only_by_the_operator(
    server: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import shutil

    from maskery.models.catalog import builtin

    folder = tmp_path_factory.mktemp("mine") / "model"
    shutil.copytree(builtin()["everyday"], folder)
    text = (folder / "model.toml").read_text().replace('name = "everyday"', 'name = "mine"', 1)
    (folder / "model.toml").write_text(text)
    own = Server("--model", str(folder))
    try:
        status, body = own.post(encoded(photo("chelsea"), "JPEG"))
        assert status == 200
        assert b'"name":"mine"' in body
        assert own.post(encoded(photo("chelsea"), "JPEG"), "?model=mine")[0] == 200
    finally:
        own.stop()
    assert server.post(encoded(photo("chelsea"), "JPEG"), f"?model={folder}")[0] == 404
