"""Part 5: what a server holds while it works on large photographs."""

import queue
import threading
import time
from dataclasses import dataclass
from functools import partial

from benchmarks.latency import FORMATS
from benchmarks.pictures import JPEG, PHOTOS, PNG, Sample, large
from benchmarks.report import Check, Section, Table
from benchmarks.rounds import Plan, Spread, interleaved
from benchmarks.server import Client, serving

TITLE = "Memory of the server"
LIMIT_MB = 400.0
CLIENTS = (1, 2)


@dataclass(frozen=True)
class Variant:
    picture: str
    format: str
    clients: int


@dataclass(frozen=True)
class Load:
    """Resident memory of a server in MB: before the first picture, at its peak, after the last picture."""

    before_mb: float
    peak_mb: float
    after_mb: float
    pictures_a_second: float


def measure(plan: Plan) -> Section:
    variants = [Variant(picture, name, n) for picture in (JPEG, PNG) for name in FORMATS for n in CLIENTS]
    loads = interleaved(
        {variant: partial(_load, variant, plan.photos) for variant in variants}, plan.memory_rounds, warm_up=False
    )
    rows, peaks = [], {}
    for variant in variants:
        runs = [load for repeats in loads[variant] for load in repeats]
        peak = peaks[variant] = Spread.of(run.peak_mb for run in runs)
        check = Check("", peak.high, LIMIT_MB, "MB")
        rows.append((
            variant.picture,
            variant.format,
            str(variant.clients),
            Spread.of(run.before_mb for run in runs).text(),
            peak.text(),
            check.verdict,
            Spread.of(run.after_mb for run in runs).text(),
            f"{Spread.of(run.pictures_a_second for run in runs).median:.1f}",
        ))  # fmt: skip
    header = ("picture", "format", "clients", "before, MB", "peak, MB", f"{LIMIT_MB:g} MB", "after, MB", "pictures/s")
    how = (
        f"A fresh server for every line and round; {plan.photos} photographs of twelve megapixels, three in turn, "
        f"from 1 client or from 2 at once; {plan.memory_rounds} rounds. The limit is set against the greatest peak."
    )
    checks = [_worst(peaks, picture, clients) for picture in (JPEG, PNG) for clients in CLIENTS]
    return Section(TITLE, how, [("", Table(header, rows, numbers_from=2))], checks)


def _worst(peaks: dict[Variant, Spread], picture: str, clients: int) -> Check:
    found = {v: s for v, s in peaks.items() if (v.picture, v.clients) == (picture, clients)}
    worst = max(found, key=lambda variant: found[variant].high)
    what = f"server's peak, {picture}, {clients} client{'s' * (clients > 1)}, worst format ({worst.format})"
    return Check(what, found[worst].high, LIMIT_MB, "MB")


def _load(variant: Variant, photos: int) -> Load:
    samples = [sample for name in PHOTOS for sample in large(name) if sample.name == variant.picture]
    waiting: queue.SimpleQueue[Sample] = queue.SimpleQueue()
    for number in range(photos):
        waiting.put(samples[number % len(samples)])
    failures: list[Exception] = []
    with serving() as server:
        before, started = server.memory_mb("VmRSS"), time.perf_counter()
        threads = [
            threading.Thread(target=_send, args=(server.port, variant.format, waiting, failures))
            for _ in range(variant.clients)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - started
        if failures:
            raise failures[0]
        return Load(before, server.memory_mb("VmHWM"), server.memory_mb("VmRSS"), photos / seconds)


def _send(port: int, format: str, waiting: "queue.SimpleQueue[Sample]", failures: list[Exception]) -> None:
    with Client(port) as client:
        try:
            while True:
                client.segment(waiting.get_nowait(), format)
        except queue.Empty:
            return
        except Exception as error:  # raised again by the thread that measures
            failures.append(error)
