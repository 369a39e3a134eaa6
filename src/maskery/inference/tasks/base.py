"""What a task is, what it is given, and the axis order that all of them read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Array, ClassMap, Scores
from maskery.core.card import TASK_RULES, ModelCard, TaskName
from maskery.core.card_tensors import OutputRole
from maskery.core.errors import ModelError
from maskery.core.plan import PLAIN, Placement, Plan, RunOptions
from maskery.core.result.banded import BandedMap
from maskery.core.result.capabilities import Result, has
from maskery.core.result.meta import Frame, Meta, ModelInfo
from maskery.inference.upsample.resample import Axis


@dataclass(frozen=True, kw_only=True)
class ModelOutput:
    """One picture's outputs, by tensor, with all that is needed to read them.

    Attributes:
        outputs: The network's arrays by the name of their tensor, batch axis included.
        placement: How the picture lay before the model; its ``original_wh`` is the size to decide at, which is the
            upright picture's or ``frame.answer_wh``.
        frame: The geometry of the result.
        card: The model's.
        timings_ms: Milliseconds by stage, still filled while the result is made.
        maps: Those of ``result.MAPS`` that the result is to have as well.
        plan: How the picture was processed; None where no result is made of it.
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
    def meta(self) -> Meta:
        """What every result has."""
        card = self.card
        return Meta(
            task=card.task,
            labels=tuple(card.labels),
            palette=tuple(card.colours),
            frame=self.frame,
            model=ModelInfo(card.name, card.version, card.sha256),
            timings_ms=self.timings_ms,
            plan=self.plan,
        )


Decide = Callable[[Scores, Axis, Axis], ClassMap]
"""Scores (C, h, w) and the axes into them -> what stands at those positions, (H, W): class ids or the soft mask."""


@dataclass(frozen=True)
class PerPixel:
    """How what a model gives of pixels becomes a result in bands, of one run or of many tiles.

    ``scores``: what is decided from, (C, h, w) float32; class ids are one plane. ``decider``: what decides it.
    ``banded``: what was decided, packed -> the result; of the output only the ``meta`` counts.
    """

    scores: Callable[[ModelOutput], Scores]
    decider: Callable[[ModelCard], Decide]
    banded: Callable[[ModelOutput, BandedMap], Result]


def no_maps(card: ModelCard) -> tuple[str, ...]:
    """Of a task that gives no scores of several classes for a pixel."""
    return ()


def all_labels(card: ModelCard) -> Sequence[str]:
    """Every label may be chosen."""
    return card.labels


def map_bytes(card: ModelCard, maps: int) -> int:
    """Bytes a pixel of a class map, and of ``maps`` beside it."""
    return (1 if len(card.labels) <= 255 else 2) + 4 * maps


@dataclass(frozen=True, kw_only=True)
class Task:
    """One kind of model: from its output to its result, and what may be asked of it.

    Attributes:
        name: As cards write it.
        title: In words.
        noun: What a model of the task is called in messages, "a classifier" say.
        results: The type of its results in one piece; None where models of the task only serve other models.
        read: The output of one picture -> its result. Raises ``ModelError`` where it does not fit the card.
        per_pixel: The same in bands and tiles; None where the model looks at a picture as a whole.
        choices: The labels that ``classes`` may name.
        maps: Those of ``MAPS`` that a model with this card can add.
        answer_bytes: What a result holds, in bytes a pixel of the answer, with a number of maps.
        joins: Whether single objects are looked for in tiles, where that is asked for, and joined over their seams.
        prompted: Whether its models cut out what a prompt points at, and need one.
        check_options: With which a model is tried on the stored picture of 256 x 256 pixels.
    """

    name: TaskName
    title: str
    noun: str
    results: type | None
    read: Callable[[ModelOutput], Result]
    per_pixel: PerPixel | None = None
    choices: Callable[[ModelCard], Sequence[str]] = all_labels
    maps: Callable[[ModelCard], tuple[str, ...]] = no_maps
    answer_bytes: Callable[[ModelCard, int], int] = map_bytes
    joins: bool = False
    prompted: bool = False
    check_options: RunOptions = PLAIN

    def gives(self, capability: type) -> bool:
        """Whether its results have a capability, a protocol of ``core.result.capabilities``."""
        return self.results is not None and has(self.results, capability)

    @property
    def answers(self) -> tuple[OutputRole, ...]:
        """The roles of the output that it reads."""
        return TASK_RULES[self.name].answers


def channels_first(model_output: ModelOutput) -> NDArray[np.float32]:
    """The output as (C, h, w) float32, without batch axis; of layout HWC a transposed view.

    Raises ``ModelError`` where it does not fit the card.
    """
    card, output = model_output.card, model_output.output[0]
    width, height = model_output.placement.working_wh
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
