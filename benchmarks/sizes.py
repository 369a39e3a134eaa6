"""Memory under pictures of every size: Maskery beside the Flask app, and whether it grows."""

import random
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from benchmarks import peer_environment
from benchmarks.contenders import FLASK, MASKERY, Contender, started
from benchmarks.load import Job, send
from benchmarks.models import Candidate, candidates
from benchmarks.pictures import LARGE_WH, PHOTOS, enlarged
from benchmarks.report import Check, Section, Table
from benchmarks.rounds import Plan, Spread

TITLE = "Memory under pictures of every size"
CLIENTS = (1, 8)
SIZES = 40
BATCHES, LIMIT_GROWTH = 10, 2.0
SAMPLE_SECONDS = 0.05
LEAST_SIDE = 64

Pictures = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Held:
    """Resident memory of all processes of a server, in MB: before the first picture, at its peak, after the last."""

    before_mb: float
    peak_mb: float
    after_mb: float
    a_second: float


def measure(plan: Plan, mirror: str, repository: Path) -> Section:
    environment = peer_environment.ensure(repository)
    with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryDirectory() as folder:
        model = candidates(mirror, Path(cache))[0]
        pictures = _pictures(Path(folder))
        held = {
            (name, clients): _held(name, model, environment, pictures, clients, plan.requests)
            for clients in CLIENTS
            for name in (MASKERY, FLASK)
        }
        medians = _batches(model, environment, pictures, plan.requests * 2 // 3)
    growth = (medians[-1] / medians[-2] - 1) * 100
    ratios = {clients: held[MASKERY, clients].peak_mb / held[FLASK, clients].peak_mb for clients in CLIENTS}
    checks = [
        Check(f"peak memory, pictures of every size, {CLIENTS[1]} clients: / Flask's", ratios[CLIENTS[1]], 0.3, "x"),
        Check(f"growth in the last of {BATCHES} batches, {CLIENTS[1]} clients", growth, LIMIT_GROWTH, "%"),
    ]
    how = (
        f"`{model.name}`; JPEGs of {SIZES} random sizes, both sides uniform from {LEAST_SIDE} to "
        f"{LARGE_WH[0]} x {LARGE_WH[1]} pixels, in one order for all. Above, {plan.requests} of them to a fresh "
        f"server; below, {BATCHES} batches of {plan.requests * 2 // 3} to one server from {CLIENTS[1]} clients, the "
        "same pictures in each batch: the median of the resident memory while it works."
    )
    return Section(TITLE, how, [("", _held_table(held)), ("", _growth_table(medians))], checks)


def _pictures(folder: Path) -> Pictures:
    """(file, media type) of random sizes up to twelve megapixels."""
    draw, files = random.Random(0), []
    for number in range(SIZES):
        photo = enlarged(PHOTOS[number % len(PHOTOS)])
        size = (draw.randint(LEAST_SIDE, LARGE_WH[0]), draw.randint(LEAST_SIDE, LARGE_WH[1]))
        file = folder / f"{number}.jpg"
        photo.resize(size, Image.Resampling.BILINEAR).save(file, quality=90)
        files.append((str(file), "image/jpeg"))
    return files


def _held(name: str, model: Candidate, environment: Path, pictures: Pictures, clients: int, requests: int) -> Held:
    with started([name], model.located, model.cache, environment) as (server,):
        before = server.resident_mb
        load = send(Job(server.port, server.path, pictures, clients, requests=requests))
        return Held(before, server.peak_mb, server.resident_mb, load.a_second)


def _batches(model: Candidate, environment: Path, pictures: Pictures, requests: int) -> list[float]:
    """The median resident memory of each batch, in MB."""
    with started([MASKERY], model.located, model.cache, environment) as (server,):
        job = Job(server.port, server.path, pictures, CLIENTS[1], requests=requests)
        return [_watched(server, job) for _ in range(BATCHES)]


def _watched(server: Contender, job: Job) -> float:
    done, samples = threading.Event(), [server.resident_mb]

    def watch() -> None:
        while not done.wait(SAMPLE_SECONDS):
            samples.append(server.resident_mb)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        send(job)
    finally:
        done.set()
        watching.join()
    return Spread.of(samples).median


def _held_table(held: dict[tuple[str, int], Held]) -> Table:
    rows = []
    for (name, clients), found in held.items():
        cells = [f"{mb:,.0f}" for mb in (found.before_mb, found.peak_mb, found.after_mb)]
        share = found.peak_mb / held[FLASK, clients].peak_mb
        rows.append((name, str(clients), *cells, f"{share:.2f}", f"{found.a_second:.1f}"))
    header = ("server", "clients", "before, MB", "peak, MB", "after, MB", "peak / Flask's", "pictures/s")
    return Table(header, rows)


def _growth_table(medians: Sequence[float]) -> Table:
    header = ("batch", *(str(number + 1) for number in range(len(medians))))
    return Table(header, [("resident, MB", *(f"{median:,.0f}" for median in medians))])
