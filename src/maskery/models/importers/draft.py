"""The card of a model before it is exported, and what an import reads at its source."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from maskery.core.card import Colour, Licence, ModelCard, Network
from maskery.core.card_tensors import Input, Output
from maskery.core.errors import ConfigError
from maskery.core.labels import LABEL_SETS, palette_of, voc_palette

INPUT, OUTPUT = "image", "scores"
UNKNOWN_SHA256 = "0" * 64


@dataclass(frozen=True)
class ImportRequest:
    """What the user says of an import; None or empty = as the source has it.

    ``labels``: by class id; ``side``: the working size in pixels.
    """

    name: str | None = None
    labels: tuple[str, ...] = ()
    licence: str | None = None
    side: int | None = None


@dataclass(frozen=True, kw_only=True)
class SourceFacts:
    """Facts about a model that its source gives.

    Attributes:
        name: For the card.
        version: For the card.
        description: For the card.
        values: What the network's scores are.
        origin: Where the weights came from, for the card's ``training``.
    """

    name: str
    version: str
    description: str
    values: Literal["logits", "probabilities"]
    origin: Mapping[str, str]


def draft(facts: SourceFacts, labels: Sequence[str], licence: Licence, image: Input, source: str) -> ModelCard:
    """A card without the file's facts. Raises ``ConfigError`` for a name or labels that no card can have."""
    try:
        return ModelCard(
            name=facts.name,
            version=facts.version,
            task="semantic",
            description=facts.description,
            networks=[Network(file=f"{facts.name}.onnx", sha256=UNKNOWN_SHA256, bytes=0)],
            licence=licence,
            labels=list(labels),
            inputs=[image],
            outputs=[Output(tensor=OUTPUT, role="scores", values=facts.values, layout="CHW")],
            palette=palette(labels),
            training=dict(facts.origin),
        )
    except ValueError as error:
        raise ConfigError(f"No card for {source}: {error}.", "Correct --name or --labels.") from error


def palette(labels: Sequence[str]) -> list[Colour]:
    """Colours by class id: those of the set that has these very labels, else those of Pascal VOC.

    Black stays with the background: where class 0 is something, it begins with the second colour.
    """
    if tuple(labels) in LABEL_SETS.values() or labels[0] == "background":
        return palette_of(labels)
    return voc_palette(len(labels) + 1)[1:]


def plain_name(text: str) -> str:
    """``text`` as a name that a card can have."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._") or "model"


def distinct(labels: Sequence[str]) -> list[str]:
    """The same labels; those that come again get a number: tree, tree 2."""
    seen: dict[str, int] = {}
    result = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        result.append(label if seen[label] == 1 else f"{label} {seen[label]}")
    return result


if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ImportSource:
    """``card``: right in all but the file's facts and, where the first of ``inputs`` fails, its input.

    ``inputs``: ways to give pictures to the network, tried in this order: any size first, then a fixed one.
    ``load``: the network with its weights, in eval mode: (N, 3, H, W) float32 -> (N, C, h, w) scores.
    ``notes``: what was guessed or is done otherwise than at the source, one sentence each.
    """

    card: ModelCard
    inputs: tuple[Input, ...]
    load: Callable[[], "nn.Module"]
    notes: tuple[str, ...]
