"""A server of this installation in a process of its own, as a deployment has it, to be measured."""

import contextlib
import http.client
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from maskery.core.errors import ModelError

READY = "maskery: ready on "
PROC = Path("/proc")
MIB = 1 << 20


class ServerProcess:
    """A running server: where it listens, how long its start took, what it takes.

    ``cold_start_s``: from the start of the process to its first "ready", in seconds. Figures of memory and processor
    time are 0 where the system does not say.
    """

    def __init__(self, process: "subprocess.Popen[str]", port: int, cold_start_s: float) -> None:
        self._process, self.port, self.cold_start_s = process, port, cold_start_s

    @property
    def resident_mib(self) -> float:
        """What the process holds now."""
        return self._status("VmRSS")

    @property
    def peak_mib(self) -> float:
        """The most that it held."""
        return self._status("VmHWM")

    @property
    def cpu_s(self) -> float:
        """Processor seconds that it took so far."""
        try:
            fields = (PROC / str(self._process.pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))

    def _status(self, name: str) -> float:
        try:
            lines = (PROC / str(self._process.pid) / "status").read_text().splitlines()
        except OSError:
            return 0.0
        return next((int(line.split()[1]) * 1024 / MIB for line in lines if line.startswith(f"{name}:")), 0.0)


@contextlib.contextmanager
def server_process(arguments: Sequence[str]) -> Iterator[ServerProcess]:
    """``maskery serve`` with these arguments on a free port, until the end of the block.

    Raises ``ModelError`` with the server's last words where it does not start.
    """
    command = [sys.executable, "-m", "maskery", "serve", "--host", "127.0.0.1", "--port", "0", *arguments]
    began = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)  # noqa: S603
    words: deque[str] = deque(maxlen=20)
    # Its pipe is read to the end, or it fills and the server stands still.
    reader = threading.Thread(target=lambda: words.extend(process.stderr or ()), daemon=True)
    try:
        port = _ready(process, words)
        reader.start()
        yield ServerProcess(process, port, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait(timeout=60)
        if reader.ident:
            reader.join(timeout=60)
        if process.stderr:
            process.stderr.close()


def _ready(process: "subprocess.Popen[str]", words: deque[str]) -> int:
    for line in process.stderr or ():
        words.append(line)
        if line.startswith(READY):
            return int(line.rstrip().rpartition(":")[2])
    raise ModelError(f"The server did not start: {''.join(words).strip()}", "Run: maskery doctor")


def ask(connection: http.client.HTTPConnection, picture: bytes, path: str) -> float:
    """Seconds that one request took, its answer read. Raises ``ModelError`` for any status but 200."""
    began = time.perf_counter()
    connection.request("POST", path, picture)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise ModelError(
            f"The server answered {answer.status}: {body[:300].decode(errors='replace')}", "See its cause."
        )
    return time.perf_counter() - began
