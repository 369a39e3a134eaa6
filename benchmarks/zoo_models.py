"""Part 6: every model that is built in, or that a mirror holds."""

import tempfile
import time
from functools import partial

import numpy as np

from benchmarks.pictures import samples
from benchmarks.report import Section, Table
from benchmarks.rounds import Plan, Spread, interleaved, of_rounds
from maskery.core.errors import DownloadError, LicenceError
from maskery.core.settings import Settings, load_settings
from maskery.models.segmenter import Segmenter, open_segmenter
from maskery.models.store import Store

TITLE = "Models"


def measure(plan: Plan, mirror: str) -> Section:
    """Pulls the catalogue from ``mirror`` into a folder of its own, where that is given."""
    with tempfile.TemporaryDirectory() as cache:
        settings = load_settings({"mirror": mirror, "cache": cache}, environment={})
        missing = _pull_all(settings) if mirror else []
        here = [e.card.name for e in Store(settings).entries() if e.state != "available"]
        segmenters = {name: open_segmenter(name, settings) for name in here}
        variants = {name: partial(_call, segmenter) for name, segmenter in segmenters.items()}
        calls = interleaved(variants, plan.rounds, lambda _: plan.small_repeats)
    rows = []
    for name, rounds in calls.items():
        card, working = segmenters[name].card, rounds[0][0][2]
        whole = of_rounds([[call[0] for call in repeats] for repeats in rounds])
        run = Spread.of(float(np.median([call[1] for call in repeats])) for repeats in rounds)
        sizes = (f"{card.bytes / 1e6:.1f}", working)
        rows.append((name, card.task, card.file.rpartition(".")[2], *sizes, run.text(1), whole.text(1)))
    header = ("model", "task", "runtime file", "MB", "working size", "run, ms", "whole pipeline, ms")
    how = (
        f"The {samples()[0].name} picture of the part above, in Python, without encoding. Models of the catalogue"
        " are measured where a mirror of their files is named."
    )
    notes = [*missing] if mirror else ["No mirror was named: the built-in model only."]
    return Section(TITLE, how, [("", Table(header, rows, numbers_from=3))], notes=notes)


def _pull_all(settings: Settings) -> list[str]:
    """Notes about the models that could not be had."""
    store, missing = Store(settings), []
    for entry in store.entries():
        if entry.state != "available":
            continue
        try:
            store.pull(entry.card.name)
        except LicenceError:
            missing.append(f"Not measured: {entry.card.name}, whose licence has to be accepted first.")
        except DownloadError:
            missing.append(f"Not measured: {entry.card.name}, which the mirror does not have.")
    return missing


def _call(segmenter: Segmenter) -> tuple[float, float, str]:
    """Milliseconds of the whole pipeline and of the model's run, and the working size."""
    started = time.perf_counter()
    result = segmenter.segment(samples()[0].data).result
    whole = (time.perf_counter() - started) * 1000
    width, height = result.meta.frame.working_wh
    return whole, result.meta.timings_ms["run"], f"{width} x {height}"
