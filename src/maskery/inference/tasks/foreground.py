"""Foreground (person, cut-out): one soft mask."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import ClassMap, Scores
from maskery.core.card import ModelCard
from maskery.core.result.banded import BandedForegroundResult, BandedMap
from maskery.core.result.types import ForegroundResult
from maskery.inference.tasks.base import Decide, ModelOutput, PerPixel, Task, channels_first, sigmoid, softmax
from maskery.inference.upsample import resample
from maskery.inference.upsample.resample import Axis


def read(model_output: ModelOutput) -> ForegroundResult:
    """Interpolate the foreground's probability to the original size. Bands keep the float values few."""
    width, height = model_output.placement.original_wh
    alpha = np.empty((height, width), np.uint8)
    for rows, band in resample.interpolated_bands(probability(model_output), model_output.placement):
        values = band.read()[0]
        values *= 255
        alpha[rows] = np.rint(values, out=values)
    return ForegroundResult(model_output.meta, alpha)


def probability(model_output: ModelOutput) -> NDArray[np.float32]:
    """(1, h, w), 0..1. Raises ``ModelError`` where the output does not fit the card."""
    card, scores = model_output.card, channels_first(model_output)
    if card.output.logits:
        scores = softmax(scores) if len(scores) > 1 else sigmoid(scores)
    foreground: NDArray[np.float32] = np.clip(scores[card.output.channel][None], 0, 1)
    return foreground


def _decider(card: ModelCard) -> Decide:
    return _alpha


def _alpha(probability: Scores, x: Axis, y: Axis) -> ClassMap:
    alpha: ClassMap = np.rint(resample.BandReader(probability, x, y).read()[0] * 255).astype(np.uint8)
    return alpha


def _banded(output: ModelOutput, packed: BandedMap) -> BandedForegroundResult:
    return BandedForegroundResult(output.meta, packed)


def _choices(card: ModelCard) -> Sequence[str]:
    return card.labels[1:]


FOREGROUND = Task(
    name="foreground",
    title="Foreground",
    noun="a foreground model",
    results=ForegroundResult,
    read=read,
    per_pixel=PerPixel(probability, _decider, _banded),
    choices=_choices,
)
