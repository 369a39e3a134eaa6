"""Semantic segmentation: one class a pixel."""

import numpy as np
from numpy.typing import NDArray

from maskery.engine import resample
from maskery.errors import BadRequest, ModelError
from maskery.result import SemanticResult
from maskery.tasks.base import Reading, planes, softmax


def read(reading: Reading) -> SemanticResult:
    """Decide the class of every original pixel from interpolated scores, or from the model's own class map."""
    card = reading.card
    if card.output.kind == "class-map":
        return _from_class_map(reading)
    scores = planes(reading)
    if len(scores) != len(card.labels):
        raise ModelError(
            f"{card.name} gave {len(scores)} classes, its card has {len(card.labels)} labels.", "Correct the labels."
        )
    return SemanticResult(
        **reading.common,
        class_map=resample.class_map(scores, reading.placement),
        decided_by="interpolated scores",
        confidence=_confidence(scores, reading) if reading.confidence else None,
    )


def _from_class_map(reading: Reading) -> SemanticResult:
    if reading.confidence:
        raise BadRequest(f"{reading.card.name} gives classes without scores.", "Ask without confidence.")
    labels, card = _flat(reading.output), reading.card
    if labels.ndim != 2 or labels.min() < 0 or labels.max() >= len(card.labels):
        raise ModelError(f"{card.name} gave class ids or a shape outside its card.", "Correct labels or output.layout.")
    small: resample.ClassMap = labels.astype(np.uint8) if len(card.labels) <= 255 else labels.astype(np.uint16)
    return SemanticResult(
        **reading.common,
        class_map=resample.nearest_map(small, reading.placement),
        decided_by="nearest neighbour of the model's own class map",
    )


def _flat(output: NDArray[np.generic]) -> NDArray[np.generic]:
    """(1, h, w), (1, 1, h, w), (1, h, w, 1) or (h, w) -> (h, w)."""
    while output.ndim > 2 and output.shape[0] == 1:
        output = output[0]
    return output[..., 0] if output.ndim == 3 and output.shape[2] == 1 else output


def _confidence(scores: NDArray[np.float32], reading: Reading) -> NDArray[np.float32]:
    """(H, W) float32: the probability of the best class, from interpolated scores, band by band."""
    width, height = reading.placement.original_wh
    best = np.empty((height, width), np.float32)
    for rows, band in resample.interpolated_bands(scores, reading.placement):
        values = band.read()
        best[rows] = (softmax(values) if reading.card.output.kind == "logits" else values).max(0)
    return best
