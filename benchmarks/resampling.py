"""Part 4: the exact shortcut of ``engine.resample`` beside the interpolation of every score at every pixel."""

import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.pictures import LARGE_WH, PHOTOS, enlarged
from benchmarks.report import Section, Table
from benchmarks.rounds import Plan, interleaved, of_rounds, ratio
from maskery.core.arrays import Scores
from maskery.core.plan import Placement
from maskery.inference import preprocess
from maskery.inference.upsample import resample
from maskery.models.segmenter import Segmenter

TITLE = "Deciding at the picture's own pixels"


def measure(plan: Plan, segmenter: Segmenter) -> Section:
    inputs = {name: _scores(segmenter, name) for name in PHOTOS}
    variants: dict[tuple[str, str], Callable[[], float]] = {}
    for name, (scores, placement) in inputs.items():
        variants[name, "exact"] = partial(_ms, resample.class_map, scores, placement)
        variants[name, "full"] = partial(_ms, _full, scores, placement)
    times = interleaved(variants, plan.rounds)
    rows = []
    for name, (scores, placement) in inputs.items():
        differing = int(np.sum(resample.class_map(scores, placement) != _full(scores, placement)))
        exact, full = times[name, "exact"], times[name, "full"]
        cells = (of_rounds(exact).text(1), of_rounds(full).text(), ratio(full, exact).text(1), f"{differing:,}")
        rows.append((name, " x ".join(str(side) for side in scores.shape[::-1]), *cells))
    header = ("photograph", "scores, w x h x C", "`class_map`, ms", "full, ms", "full / `class_map`", "pixels differ")
    how = (
        f"Real scores of `everyday` for three photographs, decided at {LARGE_WH[0]} x {LARGE_WH[1]} pixels: by "
        "`resample.class_map`, which interpolates only where neighbouring scores disagree on the class, and by "
        "interpolating all classes at all pixels, band by band, with the largest kept (ADR 0003)."
    )
    return Section(TITLE, how, [("", Table(header, rows, numbers_from=2))])


def _scores(segmenter: Segmenter, name: str) -> tuple[Scores, Placement]:
    spec = segmenter.card.input
    placement = preprocess.place(LARGE_WH, spec)
    tensor = preprocess.to_tensor(np.asarray(enlarged(name)), placement, spec)
    return np.ascontiguousarray(
        segmenter.model.infer_one(tensor)[segmenter.card.output.tensor][0], dtype=np.float32
    ), placement


def _full(scores: Scores, placement: Placement) -> NDArray[np.uint8]:
    width, height = placement.original_wh
    decided = np.empty((height, width), np.uint8)
    for rows, band in resample.interpolated_bands(scores, placement):
        decided[rows] = band.read().argmax(0)
    return decided


def _ms(decide: Callable[[Scores, Placement], object], scores: Scores, placement: Placement) -> float:
    started = time.perf_counter()
    decide(scores, placement)
    return (time.perf_counter() - started) * 1000
