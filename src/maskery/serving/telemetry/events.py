"""Writes down what becomes of pictures and models: for metrics, for /v1/status and for the request's record."""

from collections import defaultdict
from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from maskery.core.card import ModelCard
from maskery.core.result.capabilities import HasAlpha, HasClasses, HasClassMap, Result, capable
from maskery.inference.tasks.registry import task_of
from maskery.serving.http.request_log import RequestLog
from maskery.serving.telemetry.metrics import Metrics
from maskery.serving.telemetry.status import Change, RunClock, RunTimes

STAGES = ("fetch", "queue", "decode", "find", "preprocess", "run", "postprocess", "encode")
"""What a picture goes through, in this order."""

Number = TypeVar("Number", bound=np.unsignedinteger)

# Shares are counted on a grid of at most this many pixels a side: 10 microseconds instead of 10 ms, 1 % off at most
# for one picture and nothing for the mean of many.
GRID = 32


class Events:
    """Thread-safe. Models are NAME@VERSION."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self._clocks: defaultdict[str, RunClock] = defaultdict(RunClock)

    def ran(self, model: str, pictures: int) -> None:
        """The model ran this many pictures together."""
        self.metrics.batch(model, pictures)

    def worked(
        self, record: RequestLog, model: str, timings_ms: Mapping[str, float], shares: Mapping[str, float]
    ) -> None:
        """A picture of ``record``'s request is done. ``shares``: as ``shares_of`` gives them."""
        times = {"fetch": record.fetch_ms} | dict(timings_ms) if record.fetch_ms else timings_ms
        record.fetch_ms = 0.0
        ordered = {stage: times[stage] for stage in STAGES if stage in times}
        record.worked(ordered)
        self.metrics.stages(model, ordered)
        self._clocks[model].add(timings_ms["run"])
        if shares:
            self.metrics.shares(model, shares)

    def changed(self, model: str, card: ModelCard, change: Change) -> None:
        """The model was loaded or unloaded."""
        self.metrics.know(model, card.labels if task_of(card).gives(HasClasses) else ())
        if change.what == "loaded":
            self.metrics.loaded(model, change.seconds, change.rss_before, change.rss_after)
        else:
            # The first word of the reason is one of few: asked, idle, room.
            self.metrics.unloaded(model, change.reason.split(" ", 1)[0], change.rss_before, change.rss_after)

    def run_times(self, model: str) -> RunTimes:
        """How long the model's runs took."""
        return self._clocks[model].times()


def _grid(values: NDArray[Number]) -> NDArray[Number]:
    """Every n-th pixel of (H, W)."""
    height, width = values.shape
    return values[:: -(-height // GRID), :: -(-width // GRID)]


def shares_of(result: Result) -> dict[str, float]:
    """The share (0 to 1) of each class that is there, by a grid; of a classifier or after ``keep`` none."""
    labels, classified = result.meta.labels, capable(result, HasClasses)
    if soft := capable(result, HasAlpha):
        covered = float((_grid(soft.alpha) >= soft.opaque_from).mean())
        return {labels[0]: 1 - covered, labels[1]: covered}
    if classified is None or classified.kept:
        return {}
    if mapped := capable(result, HasClassMap):
        grid = _grid(mapped.class_map)
        counts = np.bincount(grid.ravel(), minlength=len(labels))
        return {name: int(count) / grid.size for name, count in zip(labels, counts, strict=False) if count}
    return {found.name: found.share for found in classified.classes}
