"""Part 5 as well: what ONNX Runtime keeps after runs of many shapes. As a program: one such process."""

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.report import Section, Table
from benchmarks.rounds import Plan, Spread, interleaved

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TITLE = "What ONNX Runtime keeps"
ROOT = Path(__file__).resolve().parents[1]
SIDES = ((192, 384), (192, 1024))
WAYS = {
    "default": "arena and memory pattern",
    "none": "neither",
    "maskery": "arena, given back after unusual sizes (Maskery)",
}
STATUS = "/proc/self/status"
Run = dict[str, float]


def measure(plan: Plan, model: Path, tensor: str) -> Section:
    variants = {(high, way): (low, high, way) for low, high in SIDES for way in WAYS}
    runs = interleaved(
        {
            key: partial(_process, [str(model), tensor, *(str(part) for part in value), str(plan.shapes)])
            for key, value in variants.items()
        },
        plan.rounds,
        warm_up=False,
    )
    rows = []
    for (high, way), (low, *_) in variants.items():
        found = [run for repeats in runs[high, way] for run in repeats]
        cells = [Spread.of(run[name] for run in found).text() for name in ("kept_mb", "peak_mb")]
        seconds = Spread.of(run["seconds"] for run in found).text(2)
        rows.append((f"{low} to {high}", WAYS[way], *cells, seconds))
    how = (
        f"`everyday` in a fresh process for every line and round: {plan.shapes} random shapes, each run twice in "
        "random order. Kept: resident memory after the last run, less that of the loaded session (ADR 0004)."
    )
    header = ("sides, px", "memory", "kept, MB", "peak of the process, MB", "seconds")
    return Section(TITLE, how, [("", Table(header, rows, numbers_from=2))])


def _process(arguments: list[str]) -> Run:
    command = [sys.executable, "-m", "benchmarks.ort_memory", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    found: Run = json.loads(done.stdout)
    return found


def run(model: Path, tensor: str, low: int, high: int, way: str, shapes: int) -> Run:
    """Run ``shapes`` random shapes twice each, sides multiples of 32 from ``low`` to ``high``, in this process."""
    import numpy as np

    from benchmarks.server import status_mb

    run_one = _session(model, tensor, way)
    draw = random.Random(0)
    sides = range(low, high + 1, 32)
    sizes = 2 * [(draw.choice(sides), draw.choice(sides)) for _ in range(shapes)]
    draw.shuffle(sizes)
    before, started = status_mb(STATUS, "VmRSS"), time.perf_counter()
    for width, height in sizes:
        run_one(np.zeros((1, 3, height, width), np.float32))
    seconds = time.perf_counter() - started
    return {
        "kept_mb": status_mb(STATUS, "VmRSS") - before,
        "peak_mb": status_mb(STATUS, "VmHWM"),
        "seconds": seconds,
    }


def _session(model: Path, tensor: str, way: str) -> "Callable[[NDArray[np.float32]], object]":
    if way == "maskery":
        from maskery.core.card import CARD_NAME
        from maskery.inference.runtimes.registry import open_session
        from maskery.models.card_toml import load_card

        card = load_card(model.parent / CARD_NAME)
        session = open_session(card, model, "cpu", 0)
        return lambda values: session.run({card.input.tensor: values})
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.enable_cpu_mem_arena = options.enable_mem_pattern = way == "default"
    session = ort.InferenceSession(model, options)
    return lambda values: session.run(None, {tensor: values})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("tensor")
    for name in ("low", "high"):
        parser.add_argument(name, type=int)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("shapes", type=int)
    asked = parser.parse_args()
    found = run(asked.model, asked.tensor, asked.low, asked.high, asked.way, asked.shapes)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
