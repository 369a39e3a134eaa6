"""``make bench``: measure everything on this machine in one go and write docs/benchmarks.md."""

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a program finds its own folder, not the one above

from benchmarks import (
    answers,
    budget,
    comparison,
    huge,
    install,
    latency,
    machine,
    memory,
    ort_memory,
    quantising,
    resampling,
    sizes,
    spinning,
    startup,
    zoo_models,
)
from benchmarks.naive import Naive
from benchmarks.report import Section, failure, render, updated
from benchmarks.rounds import FULL, QUICK, Plan
from maskery.core.settings import load_settings
from maskery.models.segmenter import open_segmenter
from maskery.models.store import Store

ROOT = Path(__file__).resolve().parents[1]
PARTS = (
    "peers",
    "sizes",
    "answers",
    "install",
    "start",
    "picture",
    "resampling",
    "memory",
    "budget",
    "huge",
    "arena",
    "threads",
    "models",
    "quantise",
)

Part = tuple[str, Callable[[], Section]]


def main() -> int:
    asked = _arguments()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as cache:
        settings = load_settings({"cache": cache}, environment={})
        located, segmenter = Store(settings).locate("everyday"), open_segmenter("everyday", settings)
        facts, warnings = machine.facts(located.card), machine.warnings()
        naive = Naive.load(located.card, located.path)
        plan: Plan = QUICK if asked.quick else FULL
        parts: dict[str, Part] = {
            "peers": (comparison.TITLE, lambda: comparison.measure(plan, asked.mirror, ROOT)),
            "sizes": (sizes.TITLE, lambda: sizes.measure(plan, asked.mirror, ROOT)),
            "answers": (answers.TITLE, lambda: answers.measure(plan, asked.mirror)),
            "install": (install.TITLE, lambda: install.measure(ROOT)),
            "start": (startup.TITLE, lambda: startup.measure(plan)),
            "picture": (latency.TITLE, lambda: latency.measure(plan, segmenter, naive)),
            "resampling": (resampling.TITLE, lambda: resampling.measure(plan, segmenter)),
            "memory": (memory.TITLE, lambda: memory.measure(plan)),
            "budget": (budget.TITLE, lambda: budget.measure(plan)),
            "huge": (huge.TITLE, lambda: huge.measure(plan)),
            "arena": (ort_memory.TITLE, lambda: ort_memory.measure(plan, located.path, located.card.input.tensor)),
            "threads": (spinning.TITLE, lambda: spinning.measure(plan, segmenter, located.path)),
            "models": (zoo_models.TITLE, lambda: zoo_models.measure(plan, asked.mirror)),
            "quantise": (quantising.TITLE, lambda: quantising.measure(plan, asked.data)),
        }
        sections = [_measured(*parts[name]) for name in asked.only]
    if asked.quick:
        warnings.append("A quick run of few rounds: it shows that the benchmark works, not how fast Maskery is.")
    if set(asked.only) != set(PARTS):
        warnings.append(f"Not all parts were asked for, only: {', '.join(asked.only)}.")
    facts.append(("duration", f"{(time.perf_counter() - began) / 60:.0f} min"))
    command = "make bench" + (" ARGS=--quick" if asked.quick else "")
    if set(asked.only) != set(PARTS) and asked.output.is_file():
        of_run = dict(facts)
        remark = (
            f"Measured alone, {of_run['date']}{', in a quick run of few rounds' if asked.quick else ''}: "
            f"{of_run['processor']}; load average at the start {of_run['load average at the start']}."
        )
        text = updated(asked.output.read_text(encoding="utf-8"), sections, remark)
    else:
        text = render(facts, sections, command, warnings)
    asked.output.write_text(text, encoding="utf-8")
    return 1 if any(section.failed for section in sections) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, to see that the benchmark works")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "benchmarks.md", help="the file to write")
    parser.add_argument("--no-install", action="store_true", help="without the installation, which needs a network")
    parser.add_argument(
        "--mirror", default="", help="folder or URL of the catalogue's files; empty = built-in model only"
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="these; others stay in the file")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of the data sets")
    asked = parser.parse_args()
    asked.only = [name for name in asked.only if name != "install" or not asked.no_install]
    return asked


def _measured(title: str, measure: Callable[[], Section]) -> Section:
    """What ``measure`` gives. A part that breaks is told of, here and in the report; the others go on."""
    print(f"{title} ...", file=sys.stderr, flush=True)
    began = time.perf_counter()
    try:
        section = measure()
    except Exception as error:
        traceback.print_exc()
        section = failure(title, error)
    print(f"{title}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    return section


if __name__ == "__main__":
    sys.exit(main())
