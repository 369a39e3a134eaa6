"""Part: a server with little memory, under pictures of every size from several clients."""

import http.client
import random
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.pictures import PHOTOS, enlarged, jpeg, png
from benchmarks.report import Check, Section, Table
from benchmarks.rounds import Plan
from benchmarks.server import Server, serving

TITLE = "A memory budget under load"
BUDGETS_MB = (300, 500)
CLIENTS = 4
SIZES = 12
LARGEST_WH = (4000, 3000)
FORMATS = ("json", "mask", "overlay", "overlay-jpeg", "cutout", "npy", "polygons", "summary")
SAMPLE_SECONDS = 0.05
THIRDS = 3


@dataclass
class Held:
    """``answers``: by status. ``changed``: 200s whose plan is not as asked. ``resident_mb``: sampled over the load."""

    answers: Counter[int] = field(default_factory=Counter)
    changed: int = 0
    resident_mb: list[float] = field(default_factory=list)
    peak_mb: float = 0.0

    def third(self, number: int) -> float:
        """The median of resident memory in one third of the time, 0 to 2."""
        size = max(1, len(self.resident_mb) // THIRDS)
        return statistics.median(self.resident_mb[number * size : (number + 1) * size])


def measure(plan: Plan) -> Section:
    pictures = _pictures()
    rows, checks = [], []
    for budget in BUDGETS_MB:
        held = _load(budget, pictures, plan.requests // 2)
        check = Check(f"peak memory with --memory {budget}MB, {CLIENTS} clients", held.peak_mb, budget, "MB")
        checks.append(check)
        rows.append((
            f"{budget} MB",
            f"{held.peak_mb:.0f}",
            check.verdict,
            ", ".join(f"{held.third(number):.0f}" for number in range(THIRDS)),
            *(str(held.answers[status]) for status in (200, 413)),
            str(held.changed),
            str(sum(held.answers.values()) - held.answers[200] - held.answers[413]),
        ))  # fmt: skip
    header = ("--memory", "peak, MB", "", "median by thirds, MB", "200", "413", "200, changed", "others")
    how = (
        f"JPEGs, progressive JPEGs and PNGs of {SIZES} random sizes up to {LARGEST_WH[0]} x {LARGEST_WH[1]} pixels, "
        f"each asked for in one of {len(FORMATS)} formats at random; {plan.requests // 2} requests from {CLIENTS} "
        "clients to a fresh server. Changed are answers that were read in bands, packed or worked at a smaller size "
        "to fit."
    )
    return Section(TITLE, how, [("", Table(header, rows))], checks)


def _pictures() -> list[bytes]:
    draw, files = random.Random(0), []
    for number in range(SIZES):
        width, height = (draw.randint(200, most) for most in LARGEST_WH)
        picture = enlarged(PHOTOS[number % len(PHOTOS)]).resize((width, height))
        files.append(png(picture) if number % 2 else jpeg(picture, progressive=number % 4 == 0))
    return files


def _load(budget: int, pictures: list[bytes], requests: int) -> Held:
    held, turn = Held(), iter(range(requests))
    lock = threading.Lock()
    with serving(variables={"MASKERY_MEMORY": f"{budget}MB", "MASKERY_TIMEOUT": "300"}) as server:
        callers = [
            threading.Thread(target=_call, args=(server, pictures, turn, lock, held), daemon=True)
            for _ in range(CLIENTS)
        ]
        for caller in callers:
            caller.start()
        while any(caller.is_alive() for caller in callers):
            held.resident_mb.append(server.memory_mb("VmRSS"))
            time.sleep(SAMPLE_SECONDS)
        held.peak_mb = server.memory_mb("VmHWM")
    return held


def _call(server: Server, pictures: list[bytes], turn: Iterator[int], lock: threading.Lock, held: Held) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
    while True:
        with lock:
            number = next(turn, None)
        if number is None:
            connection.close()
            return
        draw = random.Random(number)
        connection.request("POST", f"/v1/segment?format={draw.choice(FORMATS)}", draw.choice(pictures))
        response = connection.getresponse()
        response.read()
        with lock:
            held.answers[response.status] += 1
            held.changed += "changed" in (response.getheader("Maskery-Plan") or "")
