"""Foreground (person, cut-out): one soft mask."""

import numpy as np
from numpy.typing import NDArray

from maskery.engine import resample
from maskery.result import ForegroundResult
from maskery.tasks.base import Reading, planes, sigmoid, softmax


def read(reading: Reading) -> ForegroundResult:
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


def probability(reading: Reading) -> NDArray[np.float32]:
    """(1, h, w), 0..1. Raises ``ModelError`` where the output does not fit the card."""
    card, scores = reading.card, planes(reading)
    if card.output.kind == "logits":
        scores = softmax(scores) if len(scores) > 1 else sigmoid(scores)
    foreground: NDArray[np.float32] = np.clip(scores[card.output.foreground_channel][None], 0, 1)
    return foreground
