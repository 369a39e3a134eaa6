"""What the answers cost beside the model's run: the nested lists of the MAX API, and the summary."""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.models import Candidate, candidates
from benchmarks.pictures import PHOTOS, PNG, SMALL, Sample, pixels, samples
from benchmarks.report import Check, Section, Table
from benchmarks.rounds import Plan, Spread, interleaved, of_rounds, ratio
from maskery.core.arrays import ClassMap
from maskery.core.picture import decode
from maskery.core.picture.decode import Picture, Source
from maskery.core.plan import PLAIN, RunOptions
from maskery.core.result.capabilities import HasClassMap, expect
from maskery.encode.json import encode_summary
from maskery.encode.text import encode_map
from maskery.serving.protocols.native.segment_answer import of_summary

TITLE = "What the answers cost"
MAP_WH = (513, 256)
LIMIT_FASTER, LIMIT_SUMMARY = 20.0, 5.0
NOISE = "random in every pixel"
CALLS = 10
"""Encodings in a row: one alone is too short to be timed well."""


def measure(plan: Plan, mirror: str) -> Section:
    with tempfile.TemporaryDirectory() as cache:
        models = candidates(mirror, Path(cache))
        maps = {f"{photo}, by `{model.name}`": _class_map(model, photo) for model in models for photo in PHOTOS}
        maps[NOISE] = np.random.default_rng(0).integers(0, 21, MAP_WH[::-1], np.uint8)
        lists, lists_checks = _lists(plan, maps)
        summaries, summary_checks = _summaries(plan, models)
    how = (
        f"The `seg_map` of POST /model/predict: class maps of {MAP_WH[0]} x {MAP_WH[1]} pixels as nested JSON lists, "
        "by `maskery.encode.text` and by `json.dumps` of the lists, which are made before and not timed. "
        f"`format=summary`: what comes after the model's run, as a share of all up to it ({plan.small_repeats} calls a "
        "round, in Python)."
    )
    tables = [("Nested lists, ms:", lists), ("Summary, ms:", summaries)]
    return Section(TITLE, how, tables, [*lists_checks, *summary_checks])


def _class_map(model: Candidate, photo: str) -> ClassMap:
    """A map as MAX gives it, of a photograph cut to twice as wide as high."""
    whole = Image.fromarray(pixels(photo))
    height = whole.width // 2
    top = (whole.height - height) // 2
    picture = _opened(model, np.asarray(whole.crop((0, top, whole.width, top + height))))
    result = model.segmenter.model.run(picture, RunOptions(answer_wh=MAP_WH))
    return expect(result, HasClassMap).class_map


def _opened(model: Candidate, source: Source) -> Picture:
    segmenter = model.segmenter
    return decode.open_picture(source, max_bytes=segmenter.max_bytes, max_pixels=segmenter.max_pixels)


def _lists(plan: Plan, maps: Mapping[str, ClassMap]) -> tuple[Table, list[Check]]:
    variants: dict[tuple[str, str], Callable[[], float]] = {}
    for name, ids in maps.items():
        lists = ids.tolist()
        if encode_map(ids) != json.dumps(lists, separators=(",", ":")).encode():
            raise RuntimeError(f"{name}: the lists are not those of json.dumps")
        variants[name, "ours"] = partial(_ms, partial(encode_map, ids))
        variants[name, "dumps"] = partial(_ms, partial(json.dumps, lists))
    times = interleaved(variants, plan.rounds, lambda _: plan.small_repeats)
    faster = {name: ratio(times[name, "dumps"], times[name, "ours"]) for name in maps}
    rows = [
        (
            name,
            of_rounds(times[name, "ours"]).text(3),
            of_rounds(times[name, "dumps"]).text(1),
            faster[name].text(0),
        )
        for name in maps
    ]
    real = min(spread.median for name, spread in faster.items() if name != NOISE)
    what = "nested lists of a class map, slowest photograph: json.dumps / ours"
    header = ("map", "Maskery", "json.dumps", "json.dumps / Maskery")
    return Table(header, rows), [Check(what, real, LIMIT_FASTER, "x", at_least=True)]


def _ms(encode: Callable[[], object]) -> float:
    started = time.perf_counter()
    for _ in range(CALLS):
        encode()
    return (time.perf_counter() - started) * 1000 / CALLS


@dataclass(frozen=True)
class Call:
    """Milliseconds: of decode, preprocess and the model's run; and of all that comes after, for a summary."""

    run: float
    after: float


def _summaries(plan: Plan, models: Sequence[Candidate]) -> tuple[Table, list[Check]]:
    variants = {
        (model.name, sample.name): partial(_summary, model, sample)
        for model in models
        for sample in samples()
        if sample.name != PNG
    }
    calls = interleaved(variants, plan.rounds, lambda key: plan.small_repeats if key[1] == SMALL else plan.repeats)
    rows, checks = [], []
    for (name, picture), rounds in calls.items():
        runs, afters = ([[getattr(call, part) for call in calls] for calls in rounds] for part in ("run", "after"))
        share = Spread.of(100 * value for value in _shares(afters, runs))
        rows.append((name, picture, of_rounds(runs).text(1), of_rounds(afters).text(2), share.text(1)))
        checks.append(Check(f"{name}, {picture}: summary over the bare run", share.median, LIMIT_SUMMARY, "%"))
    header = ("model", "picture", "decode to run", "the rest", "the rest, %")
    return Table(header, rows, numbers_from=2), checks


def _shares(over: Sequence[Sequence[float]], under: Sequence[Sequence[float]]) -> list[float]:
    """The ratio of the medians of each round."""
    return [statistics.median(a) / statistics.median(b) for a, b in zip(over, under, strict=True)]


def _summary(model: Candidate, sample: Sample) -> Call:
    started, road = time.perf_counter(), model.segmenter.model
    picture = _opened(model, sample.data)
    prepared = road.prepare(road.plan(picture, of_summary(PLAIN)(picture)), picture)
    (output,) = road.infer([prepared])
    ran = time.perf_counter()
    encode_summary(road.finish(prepared, output))
    ended = time.perf_counter()
    return Call((ran - started) * 1000, (ended - ran) * 1000)
