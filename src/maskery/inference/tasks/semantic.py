"""Semantic segmentation: one class a pixel."""

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Array, ClassMap, Scores
from maskery.core.card import ModelCard
from maskery.core.errors import ModelError
from maskery.core.result.banded import BandedMap, BandedSemanticResult
from maskery.core.result.meta import MAPS
from maskery.core.result.types import SemanticResult
from maskery.inference.tasks.base import Decide, ModelOutput, PerPixel, Task, channels_first
from maskery.inference.upsample import resample
from maskery.inference.upsample.certainty import certainty_maps


def read(model_output: ModelOutput) -> SemanticResult:
    """Decide the class of every original pixel from interpolated scores, or from the model's own class map."""
    if model_output.card.output.role == "class-map":
        class_map = resample.nearest_map(class_ids(model_output), model_output.placement)
        return SemanticResult(meta=model_output.meta, class_map=class_map, decided_by=decided_by(model_output.card))
    scores = class_scores(model_output)
    coarse = model_output.frame.answer_wh is not None and resample.is_coarser(scores, model_output.placement)
    decide = resample.sampled_map if coarse else resample.class_map
    return SemanticResult(
        meta=model_output.meta,
        class_map=decide(scores, model_output.placement),
        decided_by="nearest scores" if coarse else decided_by(model_output.card),
        maps=certainty_maps(scores, model_output.placement, model_output.maps, model_output.card.output.logits),
    )


def decided_by(card: ModelCard) -> str:
    """How the classes at the picture's pixels come from what the model gives."""
    nearest = "nearest neighbour of the model's own class map"
    return nearest if card.output.role == "class-map" else "interpolated scores"


def class_scores(model_output: ModelOutput) -> NDArray[np.float32]:
    """The output as (C, h, w), a plane a label. Raises ``ModelError`` where it does not fit the card."""
    scores, card = channels_first(model_output), model_output.card
    if len(scores) != len(card.labels):
        raise ModelError(
            f"{card.name} gave {len(scores)} classes, its card has {len(card.labels)} labels.", "Correct the labels."
        )
    return scores


def class_ids(model_output: ModelOutput) -> ClassMap:
    """The output as (h, w) class ids, of a model that gives only these. Raises as ``class_scores`` does."""
    labels, card = _flat(model_output.output), model_output.card
    if labels.ndim != 2 or labels.min() < 0 or labels.max() >= len(card.labels):
        raise ModelError(f"{card.name} gave class ids or a shape outside its card.", "Correct labels or output.layout.")
    return labels.astype(np.uint8) if len(card.labels) <= 255 else labels.astype(np.uint16)


def _flat(output: Array) -> Array:
    """(1, h, w), (1, 1, h, w), (1, h, w, 1) or (h, w) -> (h, w)."""
    while output.ndim > 2 and output.shape[0] == 1:
        output = output[0]
    return output[..., 0] if output.ndim == 3 and output.shape[2] == 1 else output


def _scores(output: ModelOutput) -> Scores:
    if output.card.output.role == "class-map":
        return class_ids(output)[None].astype(np.float32)
    return class_scores(output)


def _decider(card: ModelCard) -> Decide:
    if card.output.role != "class-map":
        return resample.decide
    dtype = np.uint8 if len(card.labels) <= 255 else np.uint16
    return lambda ids, x, y: resample.nearest(ids[0].astype(dtype), x, y)


def _banded(output: ModelOutput, packed: BandedMap) -> BandedSemanticResult:
    return BandedSemanticResult(output.meta, packed, decided_by(output.card))


def _maps(card: ModelCard) -> tuple[str, ...]:
    return () if card.output.role == "class-map" else MAPS


SEMANTIC = Task(
    name="semantic",
    title="Semantic Segmentation",
    noun="a semantic model",
    results=SemanticResult,
    read=read,
    per_pixel=PerPixel(_scores, _decider, _banded),
    maps=_maps,
)
