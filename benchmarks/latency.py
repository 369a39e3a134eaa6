"""Part 3: one picture, in this process, through HTTP, and the naive ways."""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.naive import Naive
from benchmarks.pictures import SMALL, Sample, samples
from benchmarks.report import Section, Table
from benchmarks.rounds import Plan, interleaved, of_rounds, p95, ratio
from benchmarks.server import Client, serving
from maskery.models.segmenter import Segmenter

TITLE = "One picture"
FORMATS = ("mask", "json", "overlay", "cutout")
STAGES = ("decode", "preprocess", "run", "postprocess")
PYTHON, HTTP, SMOOTH, STAIRS = "in Python", "through HTTP", "naive, smooth", "naive, stairs"


@dataclass(frozen=True)
class Variant:
    picture: str
    door: str
    format: str = "mask"


@dataclass(frozen=True)
class Call:
    """Milliseconds in all, and by stage where they are known."""

    ms: float
    stages: dict[str, float] = field(default_factory=dict)


Times = dict[Variant, list[list[Call]]]


def measure(plan: Plan, segmenter: Segmenter, naive: Naive) -> Section:
    with serving() as server, Client(server.port) as client:
        variants = _variants(segmenter, naive, client)
        times = interleaved(variants, plan.rounds, lambda variant: _repeats(plan, variant))
    tables = [
        ("", Table(("picture", "pixels", "file, MB"), [_size_row(sample) for sample in samples()])),
        ("In Python (`load(...).segment(bytes).encode(format)`) and through HTTP, ms:", _door_table(times)),
        (
            "Where the time goes, in Python, ms (medians of all calls; the encodings of overlay and cutout include "
            "decoding the photo at its full size):",
            _stage_table(times),
        ),
        ("Beside the naive ways, format `mask`, in Python:", _naive_table(times, segmenter, naive)),
    ]
    small, large = plan.rounds * plan.small_repeats, plan.rounds * plan.repeats
    how = (
        "Model `everyday`, default settings. HTTP: a real server in a process of its own, one client over a kept "
        f"connection, the picture as the body. {small} calls of each cell with the small picture, {large} with the "
        f"large ones, {plan.rounds} of the smooth naive way with the large ones."
    )
    notes = [
        "Naive, smooth: the same ONNX file; Pillow decodes the whole picture and resizes it, ONNX Runtime runs with "
        "its default options, every score plane is enlarged bilinearly to the picture's size, the best class is kept, "
        "Pillow saves the PNG. Naive, stairs: the classes are decided at the model's size and enlarged by nearest "
        "neighbour. Pixels that differ are counted against Maskery's mask: the smooth way differs where Maskery "
        "decodes a large JPEG at a reduced scale, the other one because of its stairs.",
    ]
    return Section(TITLE, how, tables, notes=notes)


def _variants(segmenter: Segmenter, naive: Naive, client: Client) -> dict[Variant, Callable[[], Call]]:
    variants: dict[Variant, Callable[[], Call]] = {}
    for sample in samples():
        for name in FORMATS:
            variants[Variant(sample.name, PYTHON, name)] = partial(_in_python, segmenter, sample, name)
            variants[Variant(sample.name, HTTP, name)] = partial(_through_http, client, sample, name)
        variants[Variant(sample.name, SMOOTH)] = partial(_timed, partial(naive.smooth, sample.data))
        variants[Variant(sample.name, STAIRS)] = partial(_timed, partial(naive.stairs, sample.data))
    return variants


def _repeats(plan: Plan, variant: Variant) -> int:
    if variant.picture == SMALL:
        return plan.small_repeats
    return 1 if variant.door == SMOOTH else plan.repeats


def _timed(action: Callable[[], object]) -> Call:
    started = time.perf_counter()
    action()
    return Call((time.perf_counter() - started) * 1000)


def _through_http(client: Client, sample: Sample, format: str) -> Call:
    client.keep()
    return _timed(partial(client.segment, sample, format))


def _in_python(segmenter: Segmenter, sample: Sample, format: str) -> Call:
    started = time.perf_counter()
    segmentation = segmenter.segment(sample.data)
    segmented = time.perf_counter()
    segmentation.encode(format)
    ended = time.perf_counter()
    stages = {**segmentation.result.meta.timings_ms, f"encode {format}": (ended - segmented) * 1000}
    return Call((ended - started) * 1000, stages)


def _size_row(sample: Sample) -> tuple[str, ...]:
    return sample.name, f"{sample.size_wh[0]} x {sample.size_wh[1]}", f"{len(sample.data) / 1e6:.2f}"


def _ms(times: Times, variant: Variant) -> list[list[float]]:
    return [[call.ms for call in repeats] for repeats in times[variant]]


def _door_table(times: Times) -> Table:
    rows = []
    for sample in samples():
        for name in FORMATS:
            python, http = (_ms(times, Variant(sample.name, door, name)) for door in (PYTHON, HTTP))
            cells = [cell for part in (python, http) for cell in (of_rounds(part).text(), f"{p95(part):,.0f}")]
            rows.append((sample.name, name, *cells, ratio(http, python).text(2)))
    header = ("picture", "format", "Python p50", "p95", "HTTP p50", "p95", "HTTP / Python")
    return Table(header, rows, numbers_from=2)


def _stage_table(times: Times) -> Table:
    columns = (*STAGES, *(f"encode {name}" for name in FORMATS))
    rows = []
    for sample in samples():
        cells = []
        for column in columns:
            rounds = [times[Variant(sample.name, PYTHON, name)] for name in FORMATS]
            values = [call.stages[column] for r in rounds for calls in r for call in calls if column in call.stages]
            cells.append(f"{float(np.median(values)):,.1f}")
        rows.append((sample.name, *cells))
    return Table(("picture", *columns), rows)


def _naive_table(times: Times, segmenter: Segmenter, naive: Naive) -> Table:
    rows = []
    for sample in samples():
        ours = _ms(times, Variant(sample.name, PYTHON))
        mask = _ids(segmenter.segment(sample.data).encode("mask"))
        for door, encode in ((SMOOTH, naive.smooth), (STAIRS, naive.stairs)):
            theirs = _ms(times, Variant(sample.name, door))
            differing = float(np.mean(mask != _ids(encode(sample.data))))
            rows.append((
                sample.name,
                door,
                of_rounds(theirs).text(),
                of_rounds(ours).text(),
                ratio(theirs, ours).text(1),
                f"{differing:.3%}",
            ))  # fmt: skip
    header = ("picture", "way", "naive, ms", "Maskery, ms", "naive / Maskery", "pixels that differ")
    return Table(header, rows, numbers_from=2)


def _ids(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(png)))
