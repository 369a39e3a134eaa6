"""Foreground (person, cut-out): one soft mask."""

import numpy as np
from numpy.typing import NDArray

from maskery.core.result.types import ForegroundResult
from maskery.inference.tasks.base import ModelOutput, planes, sigmoid, softmax
from maskery.inference.upsample import resample


def read(reading: ModelOutput) -> ForegroundResult:
    """Interpolate the foreground's probability to the original size. Bands keep the float values few."""
    width, height = reading.placement.original_wh
    alpha = np.empty((height, width), np.uint8)
    for rows, band in resample.interpolated_bands(probability(reading), reading.placement):
        values = band.read()[0]
        values *= 255
        alpha[rows] = np.rint(values, out=values)
    return ForegroundResult(
        **reading.common,
        alpha=alpha,
    )


def probability(reading: ModelOutput) -> NDArray[np.float32]:
    """(1, h, w), 0..1. Raises ``ModelError`` where the output does not fit the card."""
    card, scores = reading.card, planes(reading)
    if card.output.logits:
        scores = softmax(scores) if len(scores) > 1 else sigmoid(scores)
    foreground: NDArray[np.float32] = np.clip(scores[card.output.channel][None], 0, 1)
    return foreground
