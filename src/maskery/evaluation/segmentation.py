"""A model that gives masks against masks: every picture through the pipeline that serves, measured at its own size."""

import heapq
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskery.core.picture import decode
from maskery.core.plan import RunOptions
from maskery.core.progress import Progress
from maskery.core.result.capabilities import HasClassMap, Result, expect
from maskery.datasets.base import SegmentationData
from maskery.evaluation.boundary_f import BoundaryF
from maskery.evaluation.confusion import Confusion, picture_iou, quality
from maskery.evaluation.dataset import MaskDataset
from maskery.evaluation.measurement import Clock, EvaluationOptions, Measurement, WorstImage
from maskery.inference.pipeline import Model

NO_LIMIT = 1 << 40


@dataclass(frozen=True)
class EvaluatedPicture:
    """One picture: its truth and what was predicted, (H, W) both, in ids of the matching's ``labels``."""

    picture: decode.Picture
    truth: NDArray[np.integer]
    predicted: NDArray[np.integer]
    result: Result


def evaluate_picture(model: Model, masks: MaskDataset, index: int, max_side: int | None = None) -> EvaluatedPicture:
    """Segment picture ``index`` and match it with its mask. Raises what the reader and the pipeline raise."""
    mask = masks.data.mask(index)
    picture = open_picture(masks.data.image_path(index))
    result = model.run(picture, RunOptions(max_side=max_side))
    return EvaluatedPicture(picture, *masks.matching.apply(mask, class_map(result)), result)


def open_picture(path: Path) -> decode.Picture:
    """A picture of one's own disk: of any size."""
    return decode.open_picture(path, max_bytes=NO_LIMIT, max_pixels=NO_LIMIT)


def class_map(result: Result) -> NDArray[np.integer]:
    """(H, W) ids; of a foreground model 0 and 1, decided at its threshold."""
    return expect(result, HasClassMap).class_map


def measure_masks(
    model: Model, root: Path, split: str, options: EvaluationOptions, masks: MaskDataset, progress: Progress
) -> Measurement:
    """Everything of one split, or its first ``options.limit`` pictures. Raises as ``evaluate_picture`` does."""
    pictures = min(len(masks.data), options.limit or len(masks.data))
    tally = Tally(masks, options)
    for index in range(pictures):
        tally.add(index, evaluate_picture(model, masks, index, options.max_side))
        progress(index + 1, pictures)
    return tally.measurement(model, root, split)


class Tally:
    """What is known of a model's masks so far; nothing of a picture is kept but its score and times."""

    def __init__(self, masks: MaskDataset, options: EvaluationOptions) -> None:
        self.masks, self.options, self.pictures = masks, options, 0
        classes = len(masks.matching.labels)
        self.confusion, self.worst, self.clock = Confusion(classes), WorstImages(masks.data, options.worst), Clock()
        self.boundary = None if options.boundary == 0 else BoundaryF(classes, options.boundary)
        self._started = time.perf_counter()

    def add(self, index: int, evaluated: EvaluatedPicture) -> None:
        """Count picture ``index``."""
        counts = self.confusion.add(evaluated.truth, evaluated.predicted)
        if self.boundary:
            self.boundary.add(evaluated.truth, evaluated.predicted)
        self.worst.add(index, picture_iou(counts))
        self.clock.note(evaluated.result.meta.timings_ms)
        self.clock.seconds = time.perf_counter() - self._started
        self.pictures += 1

    def measurement(self, model: Model, root: Path, split: str) -> Measurement:
        """Of the pictures so far."""
        matching = self.masks.matching
        outlines = self.boundary.by_class() if self.boundary else ()
        return Measurement(
            card=model.card,
            root=root,
            split=split,
            format=self.masks.format,
            options=self.options,
            pictures=self.pictures,
            of=len(self.masks.data),
            labels=matching.labels,
            scores=quality(self.confusion, matching.labels, outlines),
            confusion=self.confusion.matrix,
            notes=matching.notes,
            worst=tuple(self.worst),
            clock=self.clock,
        )


class WorstImages:
    """The pictures with the lowest scores, at most ``keep`` of them; iterating gives them, worst first."""

    def __init__(self, data: SegmentationData, keep: int) -> None:
        self._data, self._keep = data, keep
        self._heap: list[tuple[float, int]] = []  # the best of the worst is on top: (-score, -index)

    def add(self, index: int, score: float) -> None:
        heapq.heappush(self._heap, (-score, -index))
        if len(self._heap) > self._keep:
            heapq.heappop(self._heap)

    def __iter__(self) -> Iterator[WorstImage]:
        for score, index in sorted(self._heap, reverse=True):
            yield WorstImage(index=-index, name=self._data.name(-index), score=-score)
