"""What every task is given, and the axis order that all of them read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Array
from maskery.core.card import ModelCard
from maskery.core.errors import ModelError
from maskery.core.plan import Plan
from maskery.core.result.types import Colour, Frame, ModelInfo
from maskery.inference.preprocess import Placement


class Common(TypedDict):
    """The fields of ``result.Answer``."""

    labels: tuple[str, ...]
    palette: tuple[Colour, ...]
    frame: Frame
    model: ModelInfo
    timings_ms: dict[str, float]
    plan: Plan | None


@dataclass(frozen=True)
class ModelOutput:
    """One picture's outputs, by tensor, with all that is needed to read them.

    ``maps``: also give these of ``result.MAPS``. ``placement.original_wh``: the size to decide at, which is the upright
    picture's or ``frame.answer_wh``.
    """

    outputs: Mapping[str, Array]
    placement: Placement
    frame: Frame
    card: ModelCard
    timings_ms: dict[str, float]
    maps: tuple[str, ...] = ()
    plan: Plan | None = None

    @property
    def output(self) -> Array:
        """The card's answering output."""
        return self.outputs[self.card.output.tensor]

    @property
    def common(self) -> Common:
        """What every result takes over: ``SemanticResult(**reading.common, ...)``."""
        card = self.card
        return {
            "labels": tuple(card.labels),
            "palette": tuple(card.colours),
            "frame": self.frame,
            "model": ModelInfo(card.name, card.version, card.sha256),
            "timings_ms": self.timings_ms,
            "plan": self.plan,
        }


def planes(reading: ModelOutput) -> NDArray[np.float32]:
    """The output as (C, h, w) float32, without batch axis; of layout HWC a transposed view.

    Raises ``ModelError`` where it does not fit the card.
    """
    card, output = reading.card, reading.output[0]
    width, height = reading.placement.working_wh
    if card.output.layout == "C" and output.size == width * height:
        output = output.reshape(1, height, width)
    elif card.output.layout == "HW" and output.ndim == 2:
        output = output[None]
    elif card.output.layout == "HWC" and output.ndim == 3:
        output = output.transpose(2, 0, 1)
    elif card.output.layout != "CHW" or output.ndim != 3:
        raise ModelError(
            f"{card.name} gave shape {output.shape}, its card says {card.output.layout}.", "Correct output.layout."
        )
    scores: NDArray[np.float32] = output.astype(np.float32, copy=False)
    return scores


def softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Over axis 0; the same shape, float32."""
    result: NDArray[np.float32] = np.exp(scores - scores.max(0))
    result /= result.sum(0)
    return result


def sigmoid(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Element by element; the same shape, float32."""
    result: NDArray[np.float32] = np.reciprocal(1 + np.exp(-scores), dtype=np.float32)
    return result
