"""A closed loop: so many clients, each sends its next picture when it has the last answer. As a program: one such load.

The program is a process of its own, of the standard library alone, so that its cost is small and equal for all servers.
"""

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BOUNDARY = "----picture"


@dataclass(frozen=True)
class Job:
    """``pictures``: (file, media type), sent in turn. The loop goes on for ``seconds``, or for so many ``requests``."""

    port: int
    path: str
    pictures: Sequence[tuple[str, str]]
    clients: int = 1
    seconds: float = 0.0
    requests: int = 0


@dataclass(frozen=True)
class Load:
    """``ms``: of every request that was counted, sorted by its end. ``seconds``: from the first to the last answer."""

    ms: list[float]
    seconds: float

    @property
    def a_second(self) -> float:
        return len(self.ms) / self.seconds


def send(job: Job) -> Load:
    """Put the load on a server, from another process. Raises ``RuntimeError`` with its words if that fails."""
    command = [sys.executable, "-S", str(Path(__file__))]
    done = subprocess.run(command, input=json.dumps(asdict(job)), capture_output=True, text=True, cwd=ROOT)
    if done.returncode != 0:
        raise RuntimeError(f"the load failed: {(done.stderr.splitlines() or ['no word'])[-1]}")
    return Load(**json.loads(done.stdout))


def form(file: str, media_type: str) -> bytes:
    """A multipart body with the one field ``image``."""
    name = f'name="image"; filename="{Path(file).name}"'
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {name}\r\nContent-Type: {media_type}\r\n\r\n"
    return head.encode() + Path(file).read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()


def post(connection: http.client.HTTPConnection, path: str, body: bytes) -> bytes:
    """The answer's body. Raises ``RuntimeError`` unless it is a 200."""
    connection.request("POST", path, body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200:
        raise RuntimeError(f"the server answered {response.status}: {answer[:300]!r}")
    return answer


@contextmanager
def connected(port: int) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    connection.connect()
    try:
        yield connection
    finally:
        connection.close()


class _Loop:
    """What the clients of one load share."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.bodies = [form(file, media_type) for file, media_type in job.pictures]
        self.numbers = count()  # its next() is atomic
        self.together = threading.Barrier(job.clients + 1)
        self.until = float("inf")
        self.calls: list[tuple[float, float]] = []  # (end, ms)
        self.failures: list[Exception] = []

    def run(self) -> Load:
        with connected(self.job.port) as connection:
            post(connection, self.job.path, self.bodies[0])  # warm-up, not counted
        threads = [threading.Thread(target=self._client) for _ in range(self.job.clients)]
        for thread in threads:
            thread.start()
        started = time.perf_counter()
        self.until = started + self.job.seconds
        with suppress(threading.BrokenBarrierError):  # a client that could not connect; it is raised below
            self.together.wait()
        for thread in threads:
            thread.join()
        if self.failures:
            raise self.failures[0]
        ends = sorted(self.calls)
        return Load([ms for _, ms in ends], ends[-1][0] - started)

    def _client(self) -> None:
        try:
            with connected(self.job.port) as connection:
                self.together.wait()
                while self._more(number := next(self.numbers)):
                    began = time.perf_counter()
                    post(connection, self.job.path, self.bodies[number % len(self.bodies)])
                    ended = time.perf_counter()
                    self.calls.append((ended, (ended - began) * 1000))
        except Exception as error:  # raised again by the main thread
            self.failures.append(error)
            self.together.abort()

    def _more(self, number: int) -> bool:
        return number < self.job.requests or (self.job.requests == 0 and time.perf_counter() < self.until)


def main() -> None:
    sys.stdout.write(json.dumps(asdict(_Loop(Job(**json.load(sys.stdin))).run())))


if __name__ == "__main__":
    main()
