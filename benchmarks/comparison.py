"""The peers: the same model file, the same pictures and the same load for Maskery, its peers and the bare loop."""

import io
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import peer_environment, processes
from benchmarks.contenders import BENTOML, FLASK, LITSERVE, MASKERY, Contender, started
from benchmarks.load import Job, Load, connected, form, post, send
from benchmarks.models import BUILT_IN, Candidate, candidates
from benchmarks.naive import Naive
from benchmarks.pictures import JPEG, PNG, SMALL, Sample, samples
from benchmarks.report import Check, Section, Table
from benchmarks.rounds import Plan, Spread, interleaved, of_rounds, p95, ratio

TITLE = "Beside its peers"
SERVERS = (MASKERY, FLASK, LITSERVE, BENTOML)
PEERS = (FLASK, LITSERVE, BENTOML)
BARE, OWN, INT8 = "bare loop", "Maskery in Python", "Maskery in Python, int8"
SPINNING, SLEEPING = "`session.run` alone, its threads spin", "`session.run` alone, its threads sleep"
FLOORS = (SPINNING, SLEEPING)
"""The model on a ready tensor and nothing else, with ONNX Runtime's defaults and with Maskery's: no loop is faster."""
CLIENTS = (1, 8)
IDLE_SECONDS = 3.0


@dataclass(frozen=True)
class Variant:
    picture: str
    clients: int
    way: str


Loads = Mapping[Variant, Sequence[Sequence[Load]]]


@dataclass(frozen=True)
class Outcome:
    """What one model gave. ``idle``: processor time of each server while nothing was asked, as a share of one core."""

    loads: Loads
    servers: Sequence[Contender]
    peaks_mb: Mapping[str, float]
    idle: Mapping[str, float]
    differing: Mapping[str, float]


def measure(plan: Plan, mirror: str, repository: Path) -> Section:
    """Makes the peers' environment where it is not there. ``mirror``: of the catalogue's files, or empty."""
    environment = peer_environment.ensure(repository)
    tables: list[tuple[str, Table]] = []
    checks: list[Check] = []
    with tempfile.TemporaryDirectory() as cache:
        models = candidates(mirror, Path(cache))
        for number, model in enumerate(models):
            pictures = samples() if number == 0 else samples()[:2]
            outcome = _outcome(plan if number == 0 else brief(plan), model, pictures, environment)
            tables += _tables(model.name, pictures, outcome)
            checks += _checks(model.name, [sample.name for sample in pictures], outcome.loads)
    how = (
        "Every server runs the same ONNX file and gets the same forms from a load generator in a process of its own: "
        "each client sends its next picture when it has the last answer. The peers' apps are in benchmarks/peers, each "
        "as its own documentation would have it, with its defaults; they and the bare loop do what demos do: Pillow "
        "decodes the whole picture and resizes it, ONNX Runtime runs with its defaults, the classes are decided at the "
        "model's size and enlarged by nearest neighbour, Pillow saves the PNG. Only one server is busy at a time. "
        f"Rounds: {plan.rounds}, of the last model {brief(plan).rounds} where there are two; {plan.window:g} seconds "
        "of each cell with one client, twice that with eight."
    )
    found = ", ".join(f"{name} {version}" for name, version in peer_environment.versions(repository))
    missing = [] if len(models) > 1 else [f"Only {BUILT_IN} was measured: no mirror has the catalogue's model."]
    if not any(model.int8 for model in models):
        missing.append("No model has an int8 twin here: `make twins` makes the built-in one's.")
    return Section(TITLE, how, tables, checks, [f"The peers' environment: {found}.", *missing])


def brief(plan: Plan) -> Plan:
    """For the second model."""
    return replace(plan, rounds=min(plan.rounds, 3))


def _outcome(plan: Plan, model: Candidate, pictures: Sequence[Sample], environment: Path) -> Outcome:
    naive = Naive.load(model.located.card, model.located.path)
    with (
        tempfile.TemporaryDirectory() as folder,
        started(SERVERS, model.located, model.cache, environment) as servers,
    ):
        files = {sample.name: _file(Path(folder), sample) for sample in pictures}
        differing = {sample.name: _compared(sample, files[sample.name], naive, servers) for sample in pictures}
        idle = _idle(servers)
        variants: dict[Variant, Callable[[], Load]] = {}
        for sample in pictures:
            variants |= _in_process(plan, sample, naive, model)
            for clients in CLIENTS:
                for server in servers:
                    variants[Variant(sample.name, clients, server.name)] = partial(
                        _sent, plan, server, files[sample.name], clients
                    )
        loads = interleaved(variants, plan.rounds, warm_up=False)
        return Outcome(loads, servers, {server.name: server.peak_mb for server in servers}, idle, differing)


def _in_process(plan: Plan, sample: Sample, naive: Naive, model: Candidate) -> dict[Variant, Callable[[], Load]]:
    def own() -> bytes:
        return model.segmenter.segment(sample.data).encode("mask")

    ways: dict[str, Callable[[], object]] = {BARE: partial(naive.stairs, sample.data), OWN: own}
    if int8 := model.int8:
        ways[INT8] = lambda: int8.segment(sample.data).encode("mask")
    if sample.name == SMALL:
        picture = model.open_picture(sample.data)
        prepared = model.segmenter.model.prepare(model.segmenter.model.plan(picture), picture)
        ways[SPINNING] = partial(naive.plain.session.run, None, {naive.plain.spec.tensor: prepared.tensor})
        ways[SLEEPING] = partial(model.segmenter.model.infer, [prepared])
    return {Variant(sample.name, 1, way): partial(_called, action, plan.window) for way, action in ways.items()}


def _called(action: Callable[[], object], seconds: float) -> Load:
    """The closed loop of one client in this process; one call before it that is not counted, as ``load`` has it."""
    action()
    began, times = time.perf_counter(), []
    while (now := time.perf_counter()) < began + seconds:
        action()
        times.append((time.perf_counter() - now) * 1000)
    return Load(times, time.perf_counter() - began)


def _sent(plan: Plan, server: Contender, file: tuple[str, str], clients: int) -> Load:
    seconds = plan.window if clients == 1 else 2 * plan.window
    return send(Job(server.port, server.path, [file], clients, seconds))


def _file(folder: Path, sample: Sample) -> tuple[str, str]:
    """(path, media type) of the picture, for the load generator."""
    path = folder / sample.name.replace(" ", "-")
    path.write_bytes(sample.data)
    return str(path), sample.media_type


def _compared(sample: Sample, file: tuple[str, str], naive: Naive, servers: Sequence[Contender]) -> float:
    """The share of pixels in which Maskery's mask differs from the bare loop's, 0..1.

    Raises ``RuntimeError`` where a peer's mask is another one than the bare loop's: then the work is not the same.
    """
    expected, masks = _ids(naive.stairs(sample.data)), {}
    for server in servers:
        masks[server.name] = _ids(_once(server, file))
        if masks[server.name].shape != expected.shape:
            raise RuntimeError(f"{server.name}: the mask is {masks[server.name].shape}, expected {expected.shape}")
    for name in PEERS:
        if not np.array_equal(masks[name], expected):
            raise RuntimeError(f"{name}: the mask is not the bare loop's")
    return float(np.mean(masks[MASKERY] != expected))


def _once(server: Contender, file: tuple[str, str]) -> bytes:
    with connected(server.port) as connection:
        return post(connection, server.path, form(*file))


def _ids(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(png)))


def _idle(servers: Sequence[Contender]) -> dict[str, float]:
    before = {server.name: processes.processor_seconds(server.pid) for server in servers}
    time.sleep(IDLE_SECONDS)
    return {s.name: (processes.processor_seconds(s.pid) - before[s.name]) / IDLE_SECONDS for s in servers}


def _ms(loads: Loads, picture: str, clients: int, way: str) -> list[list[float]]:
    return [load.ms for (load,) in loads[Variant(picture, clients, way)]]


def _rates(loads: Loads, picture: str, way: str) -> list[list[float]]:
    """Answers a second with eight clients: [round][0]."""
    return [[load.a_second] for (load,) in loads[Variant(picture, CLIENTS[1], way)]]


def _tables(model: str, pictures: Sequence[Sample], outcome: Outcome) -> list[tuple[str, Table]]:
    names = [sample.name for sample in pictures]
    differing = ", ".join(f"{share:.2%} ({name})" for name, share in outcome.differing.items())
    return [
        (f"`{model}`, one client, ms:", _one_client(names, outcome.loads)),
        (f"`{model}`, {SMALL}, one client: how near to the least that is possible.", _floor(outcome.loads)),
        (f"`{model}`, {CLIENTS[1]} clients at once:", _many_clients(names, outcome.loads)),
        (
            f"`{model}`, the servers. Peak: of all processes of the server, in this part. Idle: processor time while "
            f"nothing is asked, of one core. The peers' masks are those of the bare loop, Maskery's differs by its "
            f"smooth borders in {differing} of the pixels.",
            _servers(outcome),
        ),
    ]


def _one_client(names: Sequence[str], loads: Loads) -> Table:
    rows = []
    for name in names:
        bare = _ms(loads, name, 1, BARE)
        for way in (BARE, OWN, *([INT8] if Variant(name, 1, INT8) in loads else []), *SERVERS):
            times = _ms(loads, name, 1, way)
            rows.append((name, way, of_rounds(times).text(), f"{p95(times):,.0f}", ratio(times, bare).text(2)))
    return Table(("picture", "way", "p50", "p95", "/ bare loop"), rows, numbers_from=2)


def _floor(loads: Loads) -> Table:
    """The floor: of the ways to run the model alone, the one with the lower median."""
    alone = min((_ms(loads, SMALL, 1, way) for way in FLOORS), key=lambda times: of_rounds(times).median)
    rows = []
    for way in (*FLOORS, OWN, MASKERY, BARE):
        times = _ms(loads, SMALL, 1, way)
        rows.append((way, of_rounds(times).text(1), ratio(times, alone).text(2)))
    return Table(("way", "ms", "/ floor"), rows)


def _many_clients(names: Sequence[str], loads: Loads) -> Table:
    rows = []
    for name in names:
        ours = _rates(loads, name, MASKERY)
        for way in SERVERS:
            times, rates = _ms(loads, name, CLIENTS[1], way), _rates(loads, name, way)
            cells = (of_rounds(times).text(), f"{p95(times):,.0f}", of_rounds(rates).text(1))
            rows.append((name, way, *cells, ratio(ours, rates).text(2)))
    header = ("picture", "server", "p50, ms", "p95, ms", "answers a second", "Maskery / this one")
    return Table(header, rows, numbers_from=2)


def _servers(outcome: Outcome) -> Table:
    ours = outcome.peaks_mb[MASKERY]
    rows = [
        (
            server.name,
            f"{server.start_ms / 1000:.1f}",
            f"{outcome.idle[server.name]:.1%}",
            f"{outcome.peaks_mb[server.name]:,.0f}",
            f"{ours / outcome.peaks_mb[server.name]:.2f}",
        )
        for server in outcome.servers
    ]
    return Table(("server", "start, s", "idle", "peak, MB", "Maskery / this one"), rows)


BARE_LIMITS = {SMALL: 1.0, JPEG: 0.30, PNG: 0.7}
PEER_LIMITS = {SMALL: 1.25, JPEG: 3.5, PNG: 1.6}
OWN_LIMIT, INT8_LIMIT = 1.08, 0.7


def _checks(model: str, pictures: Sequence[str], loads: Loads) -> list[Check]:
    checks = []
    for picture in pictures:
        bare, ours = _ms(loads, picture, 1, BARE), _ms(loads, picture, 1, MASKERY)
        what = f"{model}, {picture}"
        checks.append(Check(f"{what}, 1 client: / bare loop", ratio(ours, bare).median, BARE_LIMITS[picture], "x"))
        if picture == SMALL:
            python = ratio(ours, _ms(loads, picture, 1, OWN)).median
            checks.append(Check(f"{what}, 1 client: / our own Python call", python, OWN_LIMIT, "x"))
        if picture == SMALL and Variant(picture, 1, INT8) in loads:
            int8 = ratio(_ms(loads, picture, 1, INT8), bare).median
            checks.append(Check(f"{what}, int8 in Python: / float bare loop", int8, INT8_LIMIT, "x"))
        best = min(_ahead(loads, picture, peer).median for peer in PEERS)
        many = f"{what}, answers a second, {CLIENTS[1]} clients: / the best peer's"
        checks.append(Check(many, best, PEER_LIMITS[picture], "x", at_least=True))
    return checks


def _ahead(loads: Loads, picture: str, peer: str) -> Spread:
    return ratio(_rates(loads, picture, MASKERY), _rates(loads, picture, peer))
