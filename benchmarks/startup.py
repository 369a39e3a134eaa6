"""Part 2: how long things take to start."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.report import Check, Section, Table
from benchmarks.rounds import Plan, Spread, interleaved, of_rounds
from benchmarks.server import environment, serving

TITLE = "Start"
BARE, IMPORT, HELP, READY = "bare Python", "import", "help", "ready"
REPEATS = 3


def measure(plan: Plan) -> Section:
    with tempfile.TemporaryDirectory() as cache:
        commands = {
            BARE: [sys.executable, "-c", "pass"],
            IMPORT: [sys.executable, "-c", "import maskery"],
            HELP: [str(Path(sys.executable).with_name("maskery")), "--help"],
        }
        variants: dict[str, Callable[[], float]] = {
            name: partial(_process_ms, command, cache) for name, command in commands.items()
        }
        variants[READY] = _ready_ms
        times = interleaved(variants, plan.rounds, lambda name: 1 if name == READY else REPEATS)
    bare, loaded = ([_median(r) for r in times[name]] for name in (BARE, IMPORT))
    rows = [
        ("`import maskery`, less a bare Python", Spread.of(a - b for a, b in zip(loaded, bare, strict=True)), 150.0),
        ("`maskery --help`, the whole process", of_rounds(times[HELP]), 300.0),
        ("`maskery serve` until /readyz says 200", of_rounds(times[READY]), 600.0),
    ]
    checks = [Check(what, spread.median, limit, "ms") for what, spread, limit in rows]
    cells = [
        (what, spread.text(), f"{limit:,g}", check.verdict)
        for (what, spread, limit), check in zip(rows, checks, strict=True)
    ]
    cells.append(("a bare Python, `python -c pass`", of_rounds(times[BARE]).text(), "", ""))
    how = (
        "Whole processes, from their birth to their end, or to the first 200 that a client gets. The server loads "
        "`everyday` and checks it against its stored answer before it listens."
    )
    return Section(TITLE, how, [("", Table(("what", "ms", "limit", ""), cells))], checks)


def _median(values: list[float]) -> float:
    return Spread.of(values).median


def _process_ms(command: list[str], cache: str) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment(cache))
    return (time.perf_counter() - started) * 1000


def _ready_ms() -> float:
    with serving() as server:
        return server.start_ms
