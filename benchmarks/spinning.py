"""Part 5 as well: whether ONNX Runtime's threads, between their tasks, turn in circles or sleep."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import onnxruntime as ort

from benchmarks.pictures import samples
from benchmarks.report import Section, Table
from benchmarks.rounds import Plan, Spread, interleaved, of_rounds, p95
from maskery.core.arrays import Array
from maskery.models.segmenter import Segmenter

TITLE = "ONNX Runtime's waiting threads"
CLIENTS = (1, 2)


@dataclass
class Bare:
    """A ``Session`` with Maskery's options but for the one in question."""

    session: ort.InferenceSession
    output: str
    device: str = "cpu"
    runtime: str = "onnxruntime"
    batches: bool = False

    def run(self, inputs: Mapping[str, Array], keep: bool = True) -> dict[str, Array]:
        return {self.output: self.session.run([self.output], dict(inputs))[0]}


@dataclass(frozen=True)
class Turn:
    """Some pictures in a row. ``calls``: milliseconds (in all, in the model's run, after it) of each."""

    calls: list[tuple[float, float, float]]
    cpu_ms: float
    pictures_a_second: float


def measure(plan: Plan, segmenter: Segmenter, model: Path) -> Section:
    variants = {
        (spin, clients): partial(_turn, _with_spinning(segmenter, model, spin), clients, plan.small_repeats)
        for spin in (True, False)
        for clients in CLIENTS
    }
    turns = interleaved(variants, plan.rounds)
    rows = []
    for (spin, clients), rounds in turns.items():
        found = [turn for repeats in rounds for turn in repeats]
        whole, run, after = ([[call[part] for call in turn.calls] for turn in found] for part in range(3))
        cells = (of_rounds(whole).text(), f"{p95(whole):,.0f}", of_rounds(run).text(), of_rounds(after).text())
        cpu = Spread.of(turn.cpu_ms for turn in found).text()
        rate = f"{Spread.of(turn.pictures_a_second for turn in found).median:.1f}"
        rows.append(("spin (default)" if spin else "sleep", str(clients), *cells, cpu, rate))
    how = (
        f"The {samples()[0].name}, in Python, without encoding, from 1 thread or from 2 at once. After a run ONNX "
        "Runtime's threads spin for a while in wait for the next one, unless `session.intra_op.allow_spinning` is 0; "
        "spinning makes the next run start sooner, and takes the processor from whatever else there is to do. "
        "Processor: milliseconds of processor time that this process spent for each picture."
    )
    header = ("threads", "clients", "p50, ms", "p95", "run, ms", "postprocess, ms", "processor, ms", "pictures/s")
    return Section(TITLE, how, [("", Table(header, rows, numbers_from=1))])


def _with_spinning(segmenter: Segmenter, model: Path, spin: bool) -> Segmenter:
    options = ort.SessionOptions()
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spin)))
    session = Bare(ort.InferenceSession(model, options), segmenter.card.output.tensor)
    return replace(segmenter, model=replace(segmenter.model, session=session))


def _turn(segmenter: Segmenter, clients: int, pictures: int) -> Turn:
    calls: list[tuple[float, float, float]] = []

    def work() -> None:
        for _ in range(pictures):
            started = time.perf_counter()
            timings = segmenter.segment(samples()[0].data).result.meta.timings_ms
            calls.append(((time.perf_counter() - started) * 1000, timings["run"], timings["postprocess"]))

    threads = [threading.Thread(target=work) for _ in range(clients)]
    started, processor = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    if len(calls) != pictures * clients:
        raise RuntimeError(f"{len(calls)} of {pictures * clients} pictures were segmented")
    return Turn(calls, (time.process_time() - processor) * 1000 / len(calls), len(calls) / seconds)
