"""The comparison with the peers: load, processes, environment, and that all of them do the same work."""

import io
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import comparison, peer_environment, processes
from benchmarks.contenders import BENTOML, FLASK, LITSERVE, MASKERY, started
from benchmarks.load import Job, Load, connected, form, post, send
from benchmarks.models import BUILT_IN, candidates
from benchmarks.naive import spec_of
from benchmarks.peers.plain import Plain
from benchmarks.pictures import JPEG, PNG, SMALL
from benchmarks.report import Check
from maskery.core.settings import load_settings
from maskery.inference import preprocess
from maskery.models.store import Store

ROOT = Path(__file__).parents[1]
linux = pytest.mark.skipif(sys.platform != "linux", reason="the benchmarks read /proc")


class _Echo(BaseHTTPRequestHandler):
    """Counts what it gets; 500 where the path says so."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[tuple[str, str, bytes]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.path, self.headers["Content-Type"], body))
        self.send_response(500 if self.path == "/broken" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def echo() -> Iterator[int]:
    _Echo.seen.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def pictures(tmp_path: Path) -> list[tuple[str, str]]:
    (tmp_path / "one").write_bytes(b"first")
    (tmp_path / "two").write_bytes(b"second")
    return [(str(tmp_path / "one"), "image/jpeg"), (str(tmp_path / "two"), "image/png")]


def test_a_load_of_so_many_requests_sends_all_pictures_in_turn(echo: int, pictures: list[tuple[str, str]]) -> None:
    load = send(Job(echo, "/segment", pictures, clients=3, requests=10))
    assert len(load.ms) == 10
    assert load.seconds > 0
    bodies = [body for _, _, body in _Echo.seen]
    assert len(bodies) == 11  # one warm-up
    assert sum(b"first" in body and b"image/jpeg" in body for body in bodies) == 6
    assert sum(b"second" in body and b"image/png" in body for body in bodies) == 5
    assert all(kind.startswith("multipart/form-data; boundary=") for _, kind, _ in _Echo.seen)


def test_a_load_of_so_many_seconds_ends(echo: int, pictures: list[tuple[str, str]]) -> None:
    load = send(Job(echo, "/segment", pictures[:1], clients=2, seconds=0.2))
    assert 0.19 < load.seconds < 5
    assert load.a_second == pytest.approx(len(load.ms) / load.seconds)
    assert len(_Echo.seen) == len(load.ms) + 1


def test_a_load_tells_of_a_refusal(echo: int, pictures: list[tuple[str, str]]) -> None:
    with pytest.raises(RuntimeError, match=r"the server answered 500: b'ok'"):
        send(Job(echo, "/broken", pictures, clients=2, requests=4))


def test_a_load_without_a_server_fails(pictures: list[tuple[str, str]]) -> None:
    with pytest.raises(RuntimeError, match="refused"):
        send(Job(1, "/segment", pictures, clients=2, requests=4))


@linux
def test_a_tree_of_processes_is_measured_and_ended_as_one() -> None:
    child = "import time; held = b'x' * 50_000_000; print(len(held), flush=True); time.sleep(600)"
    command = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], start_new_session=True)"
    process = subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "50000000\n"
        pids = processes.tree(process.pid)
        assert pids[0] == process.pid
        assert len(pids) == 2
        assert processes.memory_mb(process.pid, "VmHWM") > 60
        assert processes.memory_mb(process.pid, "VmRSS") > 60
        assert processes.processor_seconds(process.pid) >= 0
    finally:
        processes.end(process)
        assert process.stdout is not None
        process.stdout.close()
    assert [processes.tree(pid) for pid in pids] == [[], []]


def test_the_plain_way_gives_the_model_the_same_size_as_the_road() -> None:
    located = Store(load_settings(environment={})).locate(BUILT_IN)
    spec = spec_of(located.card, located.path)
    for size_wh in ((512, 512), (4000, 3000), (301, 207), (50, 1000)):
        assert spec.working_wh(size_wh) == preprocess.place(size_wh, located.card.input).working_wh


def test_a_model_that_the_plain_way_does_not_know_is_refused() -> None:
    card = Store(load_settings(environment={})).entry("selfie-256").card
    with pytest.raises(ValueError, match="selfie-256"):
        spec_of(card, Path("selfie.tflite"))


def test_without_a_mirror_the_built_in_model_is_compared(tmp_path: Path) -> None:
    assert [model.name for model in candidates("", tmp_path)] == [BUILT_IN]
    assert [model.name for model in candidates(str(tmp_path), tmp_path)] == [BUILT_IN]


def measured(times: dict[str, float], rates: dict[str, float]) -> comparison.Loads:
    """Two rounds, of which the second is three times as slow, of every picture."""

    def loads(ms: float, a_second: float) -> list[list[Load]]:
        return [[Load([slow * ms] * 10, 10 / a_second * slow)] for slow in (1, 3)]

    found: dict[comparison.Variant, list[list[Load]]] = {}
    for picture in (SMALL, JPEG, PNG):
        found |= {comparison.Variant(picture, 8, way): loads(1, rate) for way, rate in rates.items()}
        found |= {comparison.Variant(picture, 1, way): loads(ms, 1) for way, ms in times.items()}
    return found


RATES = {MASKERY: 30.0, FLASK: 20.0, LITSERVE: 10.0, BENTOML: 5.0}
TIMES = {MASKERY: 50.0, comparison.BARE: 100.0, comparison.OWN: 40.0}


def test_ratios_are_checked_round_by_round_against_the_best_peer() -> None:
    checks = comparison._checks("model", (SMALL, JPEG, PNG), measured(TIMES, RATES))
    assert [(round(c.value, 3), c.limit, c.verdict) for c in checks] == [
        (0.5, 1.0, "met"),
        (1.25, 1.08, "**missed**"),
        (1.5, 1.25, "met"),
        (0.5, 0.3, "**missed**"),
        (1.5, 3.5, "**missed**"),
        (0.5, 0.7, "met"),
        (1.5, 1.6, "**missed**"),
    ]


def test_int8_is_checked_where_there_is_a_twin() -> None:
    checks = comparison._checks("model", (SMALL,), measured(TIMES | {comparison.INT8: 80.0}, RATES))
    assert [(c.value, c.limit) for c in checks if "int8" in c.what] == [(0.8, 0.7)]


def test_the_floor_is_the_quicker_way_to_run_the_model_alone() -> None:
    times = TIMES | {comparison.SPINNING: 30.0, comparison.SLEEPING: 25.0}
    rows = {way: ratio for way, _, ratio in comparison._floor(measured(times, RATES)).rows}
    assert rows[comparison.SLEEPING].startswith("1.00")
    assert rows[MASKERY].startswith("2.00")


def test_a_limit_may_be_one_to_reach() -> None:
    assert Check("", 2, 2, "x", at_least=True).verdict == "met"
    assert Check("", 1.9, 2, "x", at_least=True).verdict == "**missed**"
    assert Check("", 1.9, 2, "x", at_least=True).bound == "at least 2"


@linux
@pytest.mark.skipif(
    not peer_environment.ready(ROOT), reason="the peers' environment is absent; benchmarks/run.py --only peers makes it"
)
def test_all_peers_give_the_mask_of_the_bare_loop(tmp_path: Path) -> None:
    (model,) = candidates("", tmp_path)
    picture, file = Image.open(ROOT / "src" / "maskery" / "zoo" / "check.jpg"), tmp_path / "picture.jpg"
    picture.resize((301, 207)).save(file)
    expected = Plain(spec_of(model.located.card, model.located.path)).png(file.read_bytes())
    names = (MASKERY, FLASK, LITSERVE, BENTOML)
    with started(names, model.located, tmp_path, ROOT / peer_environment.FOLDER) as servers:
        for server in servers:
            with connected(server.port) as connection:
                answer = post(connection, server.path, form(str(file), "image/jpeg"))
            same = np.mean(_ids(answer) == _ids(expected))
            assert same > 0.9 if server.name == MASKERY else same == 1, server.name
            assert server.peak_mb >= server.resident_mb > 20
    assert not any(Path(f"/proc/{server.pid}").exists() for server in servers)


def _ids(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))
