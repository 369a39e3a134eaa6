"""Segmentation quality from a confusion matrix that grows picture by picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IGNORE = 255


class Confusion:
    """``matrix[t, p]``: pixels of class t predicted as p, (C, C) int64; ``images[t]``: pictures that have class t."""

    def __init__(self, classes: int) -> None:
        self.matrix = np.zeros((classes, classes), dtype=np.int64)
        self.images = np.zeros(classes, dtype=np.int64)

    def add(self, truth: NDArray[np.integer], predicted: NDArray[np.integer]) -> None:
        """Count one picture: both (H, W) class ids; pixels whose truth is ``IGNORE`` are not judged."""
        if truth.shape != predicted.shape:
            raise ValueError(f"truth has shape {truth.shape}, prediction {predicted.shape}")
        classes = len(self.images)
        judged = truth != IGNORE
        pairs = truth[judged].astype(np.int64) * classes + predicted[judged]
        self.matrix += np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
        self.images += np.isin(np.arange(classes), truth[judged])


@dataclass(frozen=True)
class Quality:
    """Numbers of one evaluation. ``iou[name]`` is None where the class occurs neither in truth nor in prediction."""

    miou: float
    pixel_accuracy: float
    iou: dict[str, float | None]
    images: dict[str, int]


def quality(confusion: Confusion, labels: Sequence[str]) -> Quality:
    """IoU = TP / (TP + FP + FN) by class (as in Pascal VOC), their mean over the classes that occur, and accuracy."""
    hit = np.diag(confusion.matrix)
    union = confusion.matrix.sum(0) + confusion.matrix.sum(1) - hit
    iou = [float(h / u) if u else None for h, u in zip(hit, union, strict=True)]
    seen = [value for value in iou if value is not None]
    total = confusion.matrix.sum()
    return Quality(
        miou=float(np.mean(seen)) if seen else 0.0,
        pixel_accuracy=float(hit.sum() / total) if total else 0.0,
        iou=dict(zip(labels, iou, strict=True)),
        images=dict(zip(labels, (int(n) for n in confusion.images), strict=True)),
    )


def mean_iou(result: Quality, at_least: int = 20) -> float:
    """Mean IoU over the classes with ``at_least`` pictures, background left out: what a small data set can say."""
    values = [
        value or 0.0 for name, value in result.iou.items() if name != "background" and result.images[name] >= at_least
    ]
    return float(np.mean(values)) if values else 0.0
