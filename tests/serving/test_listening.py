"""Where the server listens: Unix sockets, and IPv6 and IPv4 together."""

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from maskery.cli.serve import serve as command
from maskery.core.errors import ConfigError
from maskery.serving.server import _check_socket_path


@contextmanager
def serving(*words: str) -> Iterator[str]:
    """Where a server says that it listens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "maskery", "serve", *words], stderr=subprocess.PIPE, text=True, env=os.environ
    )
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith("maskery: ready on "):
            break
    else:
        raise AssertionError("".join(lines))
    yield line.removeprefix("maskery: ready on ").strip()
    process.terminate()
    assert process.wait(timeout=40) == -signal.SIGTERM
    process.stderr.close()


def test_a_unix_socket_left_by_a_kill_is_replaced_and_taken_away_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with serving("--uds", str(path)) as where:
        assert where == f"unix:{path}"
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(str(path))
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        with pytest.raises(ConfigError, match="Another process listens"):
            _check_socket_path(path)
    assert not path.exists()


def test_what_is_no_socket_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    with pytest.raises(ConfigError, match="is no socket"):
        _check_socket_path(tmp_path / "letter")
    with pytest.raises(ConfigError, match="there is no folder"):
        _check_socket_path(tmp_path / "no" / "s.sock")
    with pytest.raises(ConfigError, match="107 bytes"):
        _check_socket_path(tmp_path / ("s" * 120))
    assert (tmp_path / "letter").read_text() == "dear"


def test_a_socket_and_an_address_exclude_each_other() -> None:
    done = CliRunner().invoke(command, ["--uds", "s.sock", "--port", "80"])
    assert (done.exit_code, "--uds takes the place" in done.output) == (2, True)
    done = CliRunner().invoke(command, ["--bundle", __file__, "--model", "everyday"])
    assert (done.exit_code, "leave out" in done.output) == (2, True)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="there is no IPv6 here")
def test_two_colons_take_ipv6_and_ipv4() -> None:
    with serving("--host", "::", "--port", "0") as where:
        assert where.startswith("http://[::]:")
        for host in ("127.0.0.1", "::1"):
            connection = http.client.HTTPConnection(host, int(where.rpartition(":")[2]), timeout=20)
            connection.request("GET", "/livez")
            assert connection.getresponse().status == 200
            connection.close()
