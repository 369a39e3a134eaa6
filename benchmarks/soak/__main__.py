"""``make soak``: mixed traffic on a real server for some minutes; ends with 1 if anything was not as it should be."""

import argparse
import http.client
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.models import candidates
from benchmarks.server import announced_port, environment
from benchmarks.soak.callers import PATIENCE, Book, Site, call, fire
from benchmarks.soak.material import material
from benchmarks.soak.traffic import Kind, Shot, served
from benchmarks.soak.verdict import Outcome, judged, report
from benchmarks.soak.watch import Calm, Watch, calm, growth
from maskery.serving.protocols.registry import PROTOCOLS

ROOT = Path(__file__).resolve().parents[2]
DRAIN_SECONDS = 35.0
IN_FLIGHT, SENT_SECONDS = 4, 0.3
"""Pictures that are in work when it is asked to end, and how long it takes at most to send them."""

SETTINGS = {
    "MASKERY_CONCURRENCY": "2",
    "MASKERY_MAX_QUEUE": "8",
    "MASKERY_TIMEOUT": "6",
    "MASKERY_PROTOCOLS": ",".join(PROTOCOLS),
    "MASKERY_LOG_FORMAT": "json",
}
"""An operator's: every protocol, a short queue, little patience."""
CROWD_OF = 24


@dataclass
class Running:
    """The server under the soak. ``errors``: lines of its log that say so."""

    process: "subprocess.Popen[str]"
    port: int
    tasks: Path
    errors: list[str]

    def living_pid(self) -> int:
        """Raises ``RuntimeError`` where the server has ended."""
        if (code := self.process.poll()) is not None:
            raise RuntimeError(f"the server ended with {code}; its log: {self.errors[:5]}")
        return self.process.pid


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of traffic, after a warm-up of a fifth of that")
    parser.add_argument(
        "--mirror", default="", help="folder or URL of the catalogue's files; empty = built-in model only"
    )
    asked = parser.parse_args()
    outcome = soak(asked.minutes * 60, asked.mirror)
    print(report(outcome))
    return 1 if outcome.faults else 0


def soak(seconds: float, mirror: str = "") -> Outcome:
    """Serve, warm up, call for ``seconds``, be quiet, ask it to end while it works; then judge."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), mirror) as server:
        models = [model["name"] for model in _asked(server.port, "/v1/models")["models"]]
        kinds, missing = served(_asked(server.port, "/openapi.json")["paths"], models)
        site = Site(server.port, kinds, material(), float(SETTINGS["MASKERY_TIMEOUT"]), CROWD_OF, Book())
        call(site, seconds / 5, seed=1)
        before = _settled(site, server)
        with Watch(server.living_pid()) as watch:
            call(site, seconds, seed=100)
        after = _settled(site, server)
        faults = [*([] if is_ready(server.port) else ["the server is not ready any more"]), *drain(site, server)]
        found = growth(watch.samples)
        faults += judged(site.book, before, after, found) + [f"its log: {line}" for line in server.errors[:5]]
        return Outcome(site.book, before, after, watch.samples, found, missing, faults)


@contextmanager
def serving(folder: Path, mirror: str) -> Iterator[Running]:
    """A server with ``SETTINGS``, and with the catalogue's model beside the built-in one where ``mirror`` has it."""
    names = [model.name for model in reversed(candidates(mirror, folder))]
    tasks = folder / "tasks"
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.soak.server", "serve", "--port", "0", *_options(names)],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(str(folder)) | SETTINGS | {"MASKERY_JOBS": str(folder / "jobs"), "SOAK_TASKS": str(tasks)},
    )
    errors: list[str] = []
    try:
        port = announced_port(process, lambda line: errors.append(line.strip()) if _is_error(line) else None)
        yield Running(process, port, tasks, errors)
    finally:
        process.kill()
        process.wait()


def _options(models: list[str]) -> list[str]:
    return [word for name in models for word in ("--model", name)]


def _is_error(line: str) -> bool:
    """Whether a line of the log is an error, or none of the log's own."""
    if not line.startswith("{"):
        return line.startswith("Traceback")
    return json.loads(line)["level"] in ("error", "critical")


def _asked(port: int, path: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("GET", path)
    found: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return found


def _settled(site: Site, server: Running) -> Calm:
    """What is left when nothing is asked, after two heavy pictures: they make the server give free memory back."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=PATIENCE)
    for _ in range(2):
        fire(site, _slowest(site), _slowest(site).make(site.material.largest), connection)
    connection.close()
    return calm(server.living_pid(), server.tasks)


def _slowest(site: Site) -> Kind:
    return next(kind for kind in site.kinds if kind.name == "overlay")


def is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("GET", "/readyz")
    status = connection.getresponse().status
    connection.close()
    return status == 200


def drain(site: Site, server: Running) -> list[str]:
    """Ask the server to end while it works: every request that it has must be answered rightly. What was wrong."""
    kind = _slowest(site)
    shot = kind.make(site.material.largest)
    threads = [threading.Thread(target=_last, args=(site, kind, shot)) for _ in range(IN_FLIGHT)]
    before = site.book.statuses[kind.name].total()
    for thread in threads:
        thread.start()
    time.sleep(SENT_SECONDS)
    server.process.send_signal(signal.SIGTERM)
    faults = []
    try:
        code = server.process.wait(timeout=DRAIN_SECONDS)
    except subprocess.TimeoutExpired:
        faults.append(f"SIGTERM: it did not end within {DRAIN_SECONDS:g} seconds")
    else:
        faults += [] if code in (0, -signal.SIGTERM) else [f"SIGTERM: it ended with {code}"]
    for thread in threads:
        thread.join()
    answered = site.book.statuses[kind.name].total() - before
    return faults + ([] if answered == IN_FLIGHT else [f"SIGTERM: {answered} of {IN_FLIGHT} in work were answered"])


def _last(site: Site, kind: Kind, shot: Shot) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=PATIENCE)
    fire(site, kind, shot, connection)
    connection.close()


if __name__ == "__main__":
    sys.exit(main())
