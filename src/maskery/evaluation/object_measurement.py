"""A model of objects measured on a data set, and the results: docs/evaluation.md defines the numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from maskery.core.card import ModelCard
from maskery.core.card_facts import ObjectQuality, Quality
from maskery.core.result.instances import CropMask, Instance
from maskery.datasets.object_truths import ObjectTruth
from maskery.evaluation.average_precision import JudgedObject, JudgedPicture, Kind, Precision, average_precision
from maskery.evaluation.confusion import mean
from maskery.evaluation.measurement import Clock, EvaluationOptions, WorstImage, what_was_measured
from maskery.evaluation.object_matching import ObjectMatching
from maskery.evaluation.panoptic_quality import PanopticTally, Segment

DIGITS = 4
MOSTLY = 0.5
"""A prediction of which a larger share is not judged does not count."""
DRAWS, LOW, HIGH = 1000, 2.5, 97.5


@dataclass(frozen=True, kw_only=True)
class CountScores:
    """How well objects are counted.

    Attributes:
        error: Mean over pictures and classes that either side has of the absolute difference of both counts.
        bias: The mean of the difference itself, predicted less true.
        interval: 95 % of ``error``, by pictures drawn again.
    """

    error: float
    bias: float
    interval: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class ObjectScores:
    """Scores of a model of objects, 0..1 but the counts'. By class None where the truth has none of it.

    Attributes:
        objects: True objects by class, crowds left out.
        images: Pictures that have the class, by class.
        precisions: Of boxes, and of masks where the model gives them.
        pq: Panoptic quality of the things, the mean over the classes; None without masks.
        sq: Mean IoU of the matched, likewise.
        rq: Recognition quality, likewise.
        pq_of: ``pq`` by class.
        count: How well they are counted.
    """

    objects: dict[str, int]
    images: dict[str, int]
    precisions: dict[Kind, Precision]
    pq: float | None
    sq: float | None
    rq: float | None
    pq_of: dict[str, float | None]
    count: CountScores


@dataclass(frozen=True, kw_only=True)
class ObjectMeasurement:
    """A model of objects measured on a data set.

    Attributes:
        card: The model's.
        root: Folder of the data set.
        split: Its split.
        format: Its format's name.
        options: How it was measured.
        pictures: How many were measured.
        of: How many the split has.
        labels: The measured classes, by the model's names.
        scores: What was measured.
        least_score: Predictions below it were not looked at.
        counted_score: From which on a prediction is counted and has a part in the panoptic quality.
        notes: How the classes were matched, where that is not plain, a line each.
        worst: Worst first; their score is the F1 of their objects at IoU .50.
        clock: The times.
    """

    card: ModelCard
    root: Path
    split: str
    format: str
    options: EvaluationOptions
    pictures: int
    of: int
    labels: tuple[str, ...]
    scores: ObjectScores
    least_score: float
    counted_score: float
    notes: tuple[str, ...]
    worst: tuple[WorstImage, ...]
    clock: Clock

    def plain(self) -> dict[str, Any]:
        """As data for JSON."""
        return {
            **what_was_measured(self.card, self.root, self.split),
            "format": self.format,
            "pictures": self.pictures,
            "pictures_of_split": self.of,
            **msgspec.to_builtins(self.scores),
            "label_map": list(self.notes),
            "worst": msgspec.to_builtins(self.worst),
            "settings": {
                "max_side": self.options.max_side,
                "least_score": self.least_score,
                "counted_score": self.counted_score,
                "overrides": {name: list(names) for name, names in self.options.overrides.items()},
            },
            "timing": {"seconds": round(self.clock.seconds, 2), "median_ms": self.clock.medians_ms()},
        }

    def for_card(self, data: str) -> Quality:
        """The numbers as a card states them; ``data`` is what the data set is called there."""
        scores = self.scores
        numbers = {
            f"{kind}_{name}": getattr(found, name)
            for kind, found in scores.precisions.items()
            for name in ("ap", "ap50", "ap75")
        }
        best = scores.precisions.get("mask") or scores.precisions["box"]
        intervals = {
            f"{kind}_{name}": ends for kind, one in scores.precisions.items() for name, ends in one.intervals.items()
        }
        intervals["count_error"] = scores.count.interval
        found = ObjectQuality(
            objects=sum(scores.objects.values()),
            pq=_rounded(scores.pq),
            count_error=round(scores.count.error, DIGITS),
            ap50_of={name: round(value, DIGITS) for name, value in best.ap50_of.items() if value is not None},
            intervals={name: (round(low, DIGITS), round(high, DIGITS)) for name, (low, high) in intervals.items()},
            **{name: _rounded(value) for name, value in numbers.items()},
        )
        return Quality(
            data=data,
            split=self.split,
            pictures=self.pictures,
            images=scores.images,
            overrides={name: list(names) for name, names in self.options.overrides.items()},
            note="" if self.pictures == self.of else f"the first {self.pictures} of {self.of} pictures",
            objects=found,
        )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


class ObjectTally:
    """What is known of a model's objects so far. ``masks``: whether it gives masks."""

    def __init__(self, matching: ObjectMatching, masks: bool, counted_score: float) -> None:
        self.matching, self.masks, self.counted_score = matching, masks, counted_score
        self._judged = list[JudgedPicture]()
        self._panoptic = PanopticTally(len(matching.labels))
        self._counts = list[tuple[int, int, int]]()
        """Of each picture: sums of absolute differences and of differences, and classes that either side has."""

    def add(self, truth: ObjectTruth, instances: Sequence[Instance]) -> float:
        """Count one picture, ``instances`` surest first; gives the F1 of its objects at IoU .50."""
        picture = self._picture(truth, instances)
        self._judged.append(picture)
        sure = [one for one in picture.predicted if one.score >= self.counted_score]
        if self.masks:
            segments = (_segments(picture.truth), _segments(sure))
            self._panoptic.add(*segments, truth.ignored.placed(truth.size_wh))
        self._count(picture.truth, sure)
        return f1(picture.truth, sure)

    def _picture(self, truth: ObjectTruth, instances: Sequence[Instance]) -> JudgedPicture:
        true = [
            JudgedObject(
                label=self.matching.truth[one.label], box_xyxy=box_of(one.mask), mask=one.mask, crowd=one.crowd
            )
            for one in truth.objects
            if one.label in self.matching.truth
        ]
        ignored = truth.ignored.placed(truth.size_wh) if truth.ignored.area else None
        predicted = []
        for one in instances:
            label = self.matching.predicted.get(one.class_id)
            if label is None or (ignored is not None and _share(one, ignored) > MOSTLY):
                continue
            mask = one.mask if self.masks else None
            predicted.append(JudgedObject(label=label, box_xyxy=one.box_xyxy, mask=mask, score=one.score))
        return JudgedPicture(truth.size_wh, true, predicted)

    def _count(self, truth: Sequence[JudgedObject], sure: Sequence[JudgedObject]) -> None:
        """Classes with a crowd in this picture cannot be counted."""
        crowded = {one.label for one in truth if one.crowd}
        classes = len(self.matching.labels)
        true, found = (
            np.bincount([one.label for one in side if one.label not in crowded], minlength=classes)
            for side in (truth, sure)
        )
        differences = found - true
        there = int(((true > 0) | (found > 0)).sum())
        self._counts.append((int(np.abs(differences).sum()), int(differences.sum()), there))

    def scores(self) -> ObjectScores:
        """Of the pictures so far. Raises ``MissingExtra``."""
        labels = self.matching.labels
        kinds: list[Kind] = ["mask", "box"] if self.masks else ["box"]
        qualities = [self._panoptic.quality(i) if self.masks else None for i in range(len(labels))]
        there = [one for one in qualities if one is not None]
        listed = [[one.label for one in picture.truth if not one.crowd] for picture in self._judged]
        return ObjectScores(
            objects={label: sum(found.count(i) for found in listed) for i, label in enumerate(labels)},
            images={label: sum(i in found for found in listed) for i, label in enumerate(labels)},
            precisions={kind: average_precision(self._judged, labels, kind) for kind in kinds},
            pq=mean([one.pq for one in there]),
            sq=mean([one.sq for one in there]),
            rq=mean([one.rq for one in there]),
            pq_of={label: one.pq if one else None for label, one in zip(labels, qualities, strict=True)},
            count=self._count_scores(),
        )

    def _count_scores(self) -> CountScores:
        counts = np.array(self._counts, np.float64).reshape(-1, 3)
        drawn = counts[np.random.default_rng(0).integers(len(counts), size=(DRAWS, len(counts)))].sum(1)
        low, high = np.percentile(drawn[:, 0] / np.maximum(drawn[:, 2], 1), (LOW, HIGH))
        error, bias, there = counts.sum(0).tolist()
        return CountScores(error=error / max(there, 1), bias=bias / max(there, 1), interval=(float(low), float(high)))


def _segments(objects: Sequence[JudgedObject]) -> list[Segment]:
    return [Segment(one.label, one.mask, one.crowd) for one in objects if one.mask is not None]


def box_of(mask: CropMask) -> tuple[float, float, float, float]:
    """The tight box of a mask that ``crop_mask`` made: that of its part."""
    (left, top), (width, height) = mask.left_top, mask.size_wh
    return float(left), float(top), float(left + width), float(top + height)


def _share(one: Instance, ignored: np.ndarray[Any, np.dtype[np.bool_]]) -> float:
    """How much of an object is not judged, 0..1."""
    if one.mask:
        (left, top), (width, height) = one.mask.left_top, one.mask.size_wh
        inside = ignored[top : top + height, left : left + width][one.mask.decoded()]
    else:
        left, top, right, bottom = (max(0, round(value)) for value in one.box_xyxy)
        inside = ignored[top:bottom, left:right]
    return float(inside.mean()) if inside.size else 0.0


def f1(truth: Sequence[JudgedObject], predicted: Sequence[JudgedObject]) -> float:
    """2 TP / (2 TP + FP + FN) of boxes at IoU .50, the surest first; 1 where neither side has an object.

    Only to put pictures in order: precision and recall of the report are the package's.
    """
    crowds, left = [one for one in truth if one.crowd], [one for one in truth if not one.crowd]
    count, hit, judged = len(left), 0, 0
    for one in predicted:
        match = next((other for other in left if other.label == one.label and _overlap(one, other) >= MOSTLY), None)
        if match:
            left.remove(match)
            hit += 1
        judged += match is not None or not any(_within(one, other) for other in crowds if other.label == one.label)
    return 2 * hit / (judged + count) if judged + count else 1.0


def _overlap(one: JudgedObject, other: JudgedObject) -> float:
    shared = _shared(one, other)
    return shared / (_area(one) + _area(other) - shared) if shared else 0.0


def _within(one: JudgedObject, crowd: JudgedObject) -> bool:
    return _shared(one, crowd) > MOSTLY * _area(one)


def _shared(one: JudgedObject, other: JudgedObject) -> float:
    a, b = one.box_xyxy, other.box_xyxy
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _area(one: JudgedObject) -> float:
    left, top, right, bottom = one.box_xyxy
    return (right - left) * (bottom - top)
