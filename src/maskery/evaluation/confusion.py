"""Segmentation quality from a confusion matrix that grows picture by picture; definitions: docs/evaluation.md."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Integers
from maskery.core.labels import IGNORE

ENOUGH = 20
"""Pictures from which on a class says something."""
Scores = dict[str, float | None]


def count(truth: NDArray[np.integer], predicted: NDArray[np.integer], classes: int) -> Integers:
    """Pixels of class t predicted as p, (C, C + 1) int64. Both maps are (H, W) ids; where the truth is ``IGNORE``,
    nothing is counted.

    The last column holds what was predicted as something that is none of the classes: ids from ``classes`` on.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"truth has shape {truth.shape}, prediction {predicted.shape}")
    valid = truth != IGNORE
    columns = classes + 1
    pairs = truth[valid].astype(np.int64) * columns + np.minimum(predicted[valid], classes)
    return np.bincount(pairs, minlength=classes * columns).reshape(classes, columns)


class Confusion:
    """``matrix``: the sum of the pictures' counts, (C, C + 1) int64; ``images[t]``: pictures that have class t."""

    def __init__(self, classes: int) -> None:
        self.matrix = np.zeros((classes, classes + 1), dtype=np.int64)
        self.images = np.zeros(classes, dtype=np.int64)
        self.ignored = self.pixels = 0

    @property
    def ignored_share(self) -> float:
        """The share of all pixels whose truth is ``IGNORE``."""
        return self.ignored / max(1, self.pixels)

    def add(self, truth: NDArray[np.integer], predicted: NDArray[np.integer]) -> Integers:
        """Count one picture and return its own counts; see ``count``."""
        counts = count(truth, predicted, len(self.images))
        self.matrix += counts
        self.images += counts.any(axis=1)
        self.pixels += truth.size
        self.ignored += truth.size - int(counts.sum())
        return counts


@dataclass(frozen=True, kw_only=True)
class SegmentationScores:
    """Scores of a model of masks, 0..1. By class None where the class occurs neither in truth nor in prediction.

    Attributes:
        miou: Mean IoU over the classes that occur.
        pixel_accuracy: Share of all pixels that are right.
        iou: By class.
        images: Pictures that have the class in their truth, by class.
        fw_iou: IoU weighted by the pixels of the truth.
        mean_accuracy: Mean of ``accuracy``.
        mean_dice: Mean of ``dice``.
        accuracy: By class; None where the class is not in the truth.
        dice: By class.
        boundary_f: Mean of ``boundary``; None where it was not measured.
        boundary: F of the outlines by class; empty where it was not measured.
        ignored_share: Share of all pixels that the truth ignores, so that they are in no other number.
    """

    miou: float
    pixel_accuracy: float
    iou: Scores
    images: dict[str, int]
    fw_iou: float
    mean_accuracy: float
    mean_dice: float
    accuracy: Scores
    dice: Scores
    boundary_f: float | None
    boundary: Scores
    ignored_share: float = 0.0

    @property
    def only(self) -> str | None:
        """The one class of several that the truth has, "" where it has none, else None: then no score says anything."""
        there = [name for name, pictures in self.images.items() if pictures]
        return None if len(there) > 1 or len(self.images) < 2 else "".join(there)


def quality(confusion: Confusion, labels: Sequence[str], boundary: Sequence[float | None] = ()) -> SegmentationScores:
    """IoU = TP / (TP + FP + FN), Dice = 2 TP / (2 TP + FP + FN) and accuracy = TP / (TP + FN) by class, their means
    over the classes that occur, IoU weighted by the pixels of the truth, and the share of all pixels that are right.

    ``boundary``: F by class, from ``boundary.BoundaryF``.
    """
    square = confusion.matrix[:, :-1]
    hit, of_truth = np.diag(square), confusion.matrix.sum(axis=1)
    both = of_truth + square.sum(axis=0)
    iou, dice, accuracy = _ratios(hit, both - hit), _ratios(2 * hit, both), _ratios(hit, of_truth)
    total = int(of_truth.sum())
    weighted = sum(float(n) * (value or 0.0) for n, value in zip(of_truth, iou, strict=True))
    return SegmentationScores(
        miou=mean(iou) or 0.0,
        pixel_accuracy=float(hit.sum() / total) if total else 0.0,
        iou=dict(zip(labels, iou, strict=True)),
        images=dict(zip(labels, (int(n) for n in confusion.images), strict=True)),
        fw_iou=weighted / total if total else 0.0,
        mean_accuracy=mean(accuracy) or 0.0,
        mean_dice=mean(dice) or 0.0,
        accuracy=dict(zip(labels, accuracy, strict=True)),
        dice=dict(zip(labels, dice, strict=True)),
        boundary_f=mean(boundary),
        boundary=dict(zip(labels, boundary, strict=True)) if boundary else {},
        ignored_share=confusion.ignored_share,
    )


def _ratios(above: Integers, below: Integers) -> list[float | None]:
    return [float(a / b) if b else None for a, b in zip(above, below, strict=True)]


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of those that are not None; None where all are."""
    seen = [value for value in values if value is not None]
    return float(np.mean(seen)) if seen else None


def picture_iou(counts: Integers) -> float:
    """How well one picture was done: the mean IoU of the classes of its truth, from its own counts."""
    hit, of_truth = np.diag(counts[:, :-1]), counts.sum(axis=1)
    union, there = of_truth + counts[:, :-1].sum(axis=0) - hit, of_truth > 0
    return float((hit[there] / union[there]).mean()) if there.any() else 1.0


def mean_iou(result: SegmentationScores, at_least: int = ENOUGH) -> float | None:
    """Mean IoU over the classes with ``at_least`` pictures, background left out: what a small data set can say.

    None where no class has so many.
    """
    values = [
        value or 0.0 for name, value in result.iou.items() if name != "background" and result.images[name] >= at_least
    ]
    return float(np.mean(values)) if values else None


@dataclass(frozen=True, kw_only=True)
class ClassificationScores:
    """Scores of a classifier, 0..1.

    Attributes:
        top1: Share of pictures whose best class is the true one.
        top5: The same of the best five; None for at most 5 classes.
        mean_accuracy: Mean of ``accuracy``.
        accuracy: By class; None where no picture has it.
        precision: By class; None where no picture was predicted as it.
        images: Pictures by class.
    """

    top1: float
    top5: float | None
    mean_accuracy: float
    accuracy: Scores
    precision: Scores
    images: dict[str, int]


def hits(matrix: Integers, labels: Sequence[str], within5: int | None) -> ClassificationScores:
    """``matrix``: (C, C + 1), pictures of class t taken for p; ``within5``: those whose class was among the first 5."""
    hit, of_truth, predicted = np.diag(matrix[:, :-1]), matrix.sum(axis=1), matrix[:, :-1].sum(axis=0)
    total = max(int(of_truth.sum()), 1)
    accuracy = _ratios(hit, of_truth)
    return ClassificationScores(
        top1=float(hit.sum() / total),
        top5=None if within5 is None else within5 / total,
        mean_accuracy=mean(accuracy) or 0.0,
        accuracy=dict(zip(labels, accuracy, strict=True)),
        precision=dict(zip(labels, _ratios(hit, predicted), strict=True)),
        images=dict(zip(labels, (int(n) for n in of_truth), strict=True)),
    )
