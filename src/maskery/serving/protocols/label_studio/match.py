"""The labels of a project -> the classes of a model, by name."""

from collections.abc import Iterable
from dataclasses import dataclass

from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest
from maskery.core.labels import SYNONYMS
from maskery.serving.protocols.label_studio.config import Config, Control, Label


@dataclass(frozen=True)
class Part:
    """What is drawn for one control: ``labels`` by new id, and the new id of each class of the model, -1 for none."""

    control: Control
    labels: tuple[str, ...]
    new_ids: tuple[int, ...]


@dataclass(frozen=True)
class DrawingPlan:
    """``ignored``: what of the configuration is not used, in words."""

    parts: tuple[Part, ...]
    ignored: tuple[str, ...]


def plan_of(config: Config, card: ModelCard) -> DrawingPlan:
    """Raises ``BadRequest`` for a model without masks."""
    if card.task == "classification":
        raise BadRequest(f"{card.name} is a classifier: it has no regions.", "Use a model that gives masks.")
    ignored = list(config.ignored)
    parts = tuple(_part(control, card, ignored) for control in config.controls)
    return DrawingPlan(parts, tuple(ignored))


def _part(control: Control, card: ModelCard, ignored: list[str]) -> Part:
    """A class belongs to the first label that names it; several classes may share a label (predicted_values)."""
    classes = {_canonical(name): i for i, name in reversed(list(enumerate(card.labels)))}
    new_ids, values = [-1] * len(card.labels), list[str]()
    for label in control.labels:
        free = [i for i in _named(label, classes) if new_ids[i] < 0]
        for i in free:
            new_ids[i] = len(values)
        if free:
            values.append(label.value)
        else:
            ignored.append(f"label {label.value!r} of {control.name!r}: no class of {card.name} for it")
    return Part(control, tuple(values), tuple(new_ids))


def _named(label: Label, classes: dict[str, int]) -> Iterable[int]:
    return dict.fromkeys(classes[name] for name in map(_canonical, label.names) if name in classes)


def _canonical(name: str) -> str:
    """Without case, with spaces for underscores and hyphens, and by the spelling that ``SYNONYMS`` lead to."""
    plain = " ".join(name.lower().replace("_", " ").replace("-", " ").split())
    return SYNONYMS.get(plain, plain)
