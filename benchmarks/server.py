"""A real server in a process of its own, and a client that keeps its connection."""

import http.client
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from benchmarks.pictures import Sample

START_SECONDS = 60.0
IDLE_SECONDS = 2.0
_READY = re.compile(r"ready on http://127\.0\.0\.1:(\d+)")


@dataclass(frozen=True)
class Server:
    """``start_ms``: from the birth of the process to the first 200 of GET /readyz."""

    pid: int
    port: int
    start_ms: float

    def memory_mb(self, field: str) -> float:
        """``VmHWM`` (the peak) or ``VmRSS`` (now), in MB."""
        return status_mb(f"/proc/{self.pid}/status", field)


class Client:
    """One kept connection; uvicorn closes one that is idle for five seconds."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._used = float("-inf")

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()

    def keep(self) -> None:
        """Have the connection open and used lately, so that nothing but the next request is timed."""
        if time.monotonic() - self._used > IDLE_SECONDS:
            self._connection.close()
            self._connection.request("GET", "/livez")
            self._connection.getresponse().read()
            self._used = time.monotonic()

    def segment(self, sample: Sample, format: str) -> bytes:
        """The answer's body. Raises ``RuntimeError`` unless it is a 200."""
        self._connection.request(
            "POST", f"/v1/segment?format={format}", sample.data, {"Content-Type": sample.media_type}
        )
        response = self._connection.getresponse()
        body = response.read()
        self._used = time.monotonic()
        if response.status != 200:
            raise RuntimeError(f"the server answered {response.status}: {body[:300]!r}")
        return body


def status_mb(path: str, field: str) -> float:
    """A field in kB of a /proc/.../status file, in MB."""
    for line in Path(path).read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"{path} has no {field}")


def environment(cache: str) -> dict[str, str]:
    """Ours, without Maskery's settings, with an empty cache of models.

    Bytecode may be written, so that the first process compiles and the others do not: pip compiles what it installs.
    """
    dropped = ("MASKERY_", "PYTHONDONTWRITEBYTECODE")
    return {k: v for k, v in os.environ.items() if not k.startswith(dropped)} | {"MASKERY_CACHE": cache}


@contextmanager
def serving(
    model: str = "everyday", cache: Path | None = None, variables: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A fresh server with the default settings that is ready; ended afterwards.

    ``cache``: the folder of models, an empty one if not given. ``variables``: settings, as the environment has them.
    """
    with tempfile.TemporaryDirectory() as empty:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "maskery", "serve", "--port", "0", "--model", model],
            stderr=subprocess.PIPE,
            text=True,
            env=environment(str(cache or empty)) | dict(variables or {}),
        )
        try:
            port = announced_port(process)
            _wait_until_ready(port, started + START_SECONDS)
            yield Server(process.pid, port, (time.perf_counter() - started) * 1000)
        finally:
            process.terminate()
            process.wait(timeout=30)


def announced_port(process: "subprocess.Popen[str]", hear: Callable[[str], None] = lambda _: None) -> int:
    """The port that a starting server says; ``hear`` gets every line of its log, also of those that follow."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        hear(line)
        if found := _READY.search(line):
            # What it says later must be read, or its pipe would fill up and it would stand still.
            threading.Thread(target=_drain, args=(process.stderr, hear), daemon=True).start()
            return int(found[1])
    raise RuntimeError("the server ended before it was ready: " + "".join(said[-5:]))


def _drain(pipe: IO[str], hear: Callable[[str], None]) -> None:
    with pipe:
        for line in pipe:
            hear(line)


def _wait_until_ready(port: int, until: float) -> None:
    while time.perf_counter() < until:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
        connection.close()
        if status == 200:
            return
        time.sleep(0.01)
    raise RuntimeError(f"the server was not ready after {START_SECONDS:g} seconds")
