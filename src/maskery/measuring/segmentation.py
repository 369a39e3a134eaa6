"""A model that gives masks against masks: every picture through the road that serves, judged at its own size."""

import heapq
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskery import image
from maskery.boundary import BoundaryF
from maskery.datasets.base import SegmentationData
from maskery.measuring.measurement import Clock, Measurement, Poor
from maskery.measuring.opening import Masks
from maskery.measuring.terms import Progress, Terms
from maskery.metrics import Confusion, picture_iou, quality
from maskery.pipeline import Model, Wish
from maskery.result import ClassificationResult, ForegroundResult, Result

NO_LIMIT = 1 << 40


@dataclass(frozen=True)
class Judged:
    """One picture: its truth and what was predicted, (H, W) both, in ids of the pairing's ``labels``."""

    index: int
    picture: image.Picture
    truth: NDArray[np.integer]
    predicted: NDArray[np.integer]
    timings_ms: dict[str, float]


def judge(model: Model, masks: Masks, index: int, max_side: int | None = None) -> Judged:
    """Segment picture ``index`` and pair it with its mask. Raises what the reader and the road raise."""
    data = masks.data
    mask = data.mask(index)
    picture = image.open_picture(data.image_path(index), max_bytes=NO_LIMIT, max_pixels=NO_LIMIT)
    result = model.run(picture, Wish(max_side=max_side))
    truth, predicted = masks.pairing.apply(mask, class_map(result))
    return Judged(index, picture, truth, predicted, result.timings_ms)


def class_map(result: Result) -> NDArray[np.integer]:
    """(H, W) ids; of a foreground model 0 and 1, decided at its threshold."""
    assert not isinstance(result, ClassificationResult)
    return (result.as_semantic if isinstance(result, ForegroundResult) else result).class_map


def measure_masks(model: Model, root: Path, split: str, terms: Terms, masks: Masks, progress: Progress) -> Measurement:
    """Everything of one split, or its first ``terms.limit`` pictures. Raises as ``judge`` does."""
    labels, of = masks.pairing.labels, len(masks.data)
    pictures = min(of, terms.limit or of)
    confusion, clock, worst = Confusion(len(labels)), Clock(), Worst(masks.data, terms.worst)
    boundary = None if terms.boundary == 0 else BoundaryF(len(labels), terms.boundary)
    started = time.perf_counter()
    for index in range(pictures):
        judged = judge(model, masks, index, terms.max_side)
        counts = confusion.add(judged.truth, judged.predicted)
        if boundary:
            boundary.add(judged.truth, judged.predicted)
        worst.add(index, picture_iou(counts))
        clock.note(judged.timings_ms)
        progress(index + 1, pictures)
    clock.seconds = time.perf_counter() - started
    return Measurement(
        card=model.card,
        root=root,
        split=split,
        format=masks.format,
        terms=terms,
        pictures=pictures,
        of=of,
        labels=labels,
        scores=quality(confusion, labels, boundary.by_class() if boundary else ()),
        confusion=confusion.matrix,
        told=masks.pairing.told,
        worst=tuple(worst),
        clock=clock,
    )


class Worst:
    """The pictures with the lowest scores, at most ``keep`` of them; iterating gives them, worst first."""

    def __init__(self, data: SegmentationData, keep: int) -> None:
        self._data, self._keep = data, keep
        self._heap: list[tuple[float, int]] = []  # the best of the worst is on top: (-score, -index)

    def add(self, index: int, score: float) -> None:
        heapq.heappush(self._heap, (-score, -index))
        if len(self._heap) > self._keep:
            heapq.heappop(self._heap)

    def __iter__(self) -> Iterator[Poor]:
        for score, index in sorted(self._heap, reverse=True):
            yield Poor(-index, self._data.name(-index), -score)
