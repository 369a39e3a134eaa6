"""Maskery and its peers as servers of one model, each started as its own documentation says."""

import http.client
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import processes
from benchmarks.naive import spec_of
from benchmarks.peers.plain import SPEC
from benchmarks.server import START_SECONDS, serving
from maskery.models.store import Located

APPS = Path(__file__).resolve().parent / "peers"
MASKERY, FLASK, LITSERVE, BENTOML = "Maskery", "Flask", "LitServe", "BentoML"
COMMANDS: Mapping[str, Sequence[str]] = {
    FLASK: ("python", str(APPS / "flask_app.py")),
    LITSERVE: ("python", str(APPS / "litserve_app.py")),
    BENTOML: ("bentoml", "serve", "bento_service:Segmenter", "--working-dir", str(APPS), "--host", "127.0.0.1"),
}
"""Programs of the peers' environment; BentoML's takes the port as an argument, the others as PEER_PORT."""


@dataclass(frozen=True)
class Contender:
    """A server that is ready. ``path``: where it takes a form with the field ``image`` and answers a PNG mask."""

    name: str
    pid: int
    port: int
    path: str
    start_ms: float

    @property
    def peak_mb(self) -> float:
        return processes.memory_mb(self.pid, "VmHWM")

    @property
    def resident_mb(self) -> float:
        return processes.memory_mb(self.pid, "VmRSS")


@contextmanager
def started(names: Sequence[str], located: Located, cache: Path, environment: Path) -> Iterator[list[Contender]]:
    """The servers of ``names`` with the model ``located``, of the cache folder ``cache``; ended afterwards.

    ``environment``: the peers' own. Idle ones only wait: the section says how much they do.
    """
    with ExitStack() as stack:
        yield [stack.enter_context(_started(name, located, cache, environment)) for name in names]


@contextmanager
def _started(name: str, located: Located, cache: Path, environment: Path) -> Iterator[Contender]:
    if name == MASKERY:
        with serving(located.card.name, cache) as server:
            yield Contender(name, server.pid, server.port, "/v1/segment?format=mask", server.start_ms)
    else:
        with _peer(name, located, environment) as contender:
            yield contender


@contextmanager
def _peer(name: str, located: Located, environment: Path) -> Iterator[Contender]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        port, spec, log = free_port(), Path(folder) / "spec.json", Path(folder) / "log"
        spec_of(located.card, located.path).save(spec)
        command = [str(environment / "bin" / COMMANDS[name][0]), *COMMANDS[name][1:]]
        command += ["--port", str(port)] if name == BENTOML else []
        own = {SPEC: str(spec), "PEER_PORT": str(port), "BENTOML_HOME": folder, "BENTOML_DO_NOT_TRACK": "True"}
        with log.open("w") as output:
            began = time.perf_counter()
            process = subprocess.Popen(
                command, cwd=folder, env=dict(os.environ) | own, stdout=output, stderr=output, text=True
            )
            try:
                _wait_until_it_answers(name, process, port, log)
                yield Contender(name, process.pid, port, "/segment", (time.perf_counter() - began) * 1000)
            finally:
                processes.end(process)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def _wait_until_it_answers(name: str, process: "subprocess.Popen[str]", port: int, log: Path) -> None:
    """Any answer but a 503 will do: not all of them have a page that says that they are ready."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status != 503:
                return
        except OSError:
            pass  # it does not listen yet
        finally:
            connection.close()
        time.sleep(0.02)
    raise RuntimeError(f"{name} is not ready: {log.read_text()[-500:]}")
