"""The classes of a data set -> the classes of a model, by name; ``notes`` lists what is not the same by name."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from maskery.core.errors import BadRequest, DataError, nearest
from maskery.core.labels import IGNORE, same_name

How = Literal["name", "synonym", "kin", "override"]
REST = "*"  # in overrides: every class of the data set that nothing else leads anywhere

# Names of nearly the same thing: one street data set's word and another's. Only where neither word has its own partner.
KIN = (
    ("pedestrian", "person"),
    ("pavement", "sidewalk"),
    ("tree", "vegetation"),
    ("sign", "traffic sign"),
    ("sign symbol", "traffic sign"),
    ("bicyclist", "rider"),
    ("bicyclist", "bicycle"),
    ("column pole", "pole"),
    ("lane", "road"),
    ("grass", "terrain"),
)
NOTHING: Mapping[str, Sequence[str]] = MappingProxyType({})


@dataclass(frozen=True)
class Match:
    """Class ``data`` of the masks counts as class ``model[0]``; so do predictions of the other names in ``model``."""

    data: str
    model: tuple[str, ...]
    how: How


@dataclass(frozen=True, kw_only=True)
class LabelMap:
    """The classes of a data set -> those of a model.

    Attributes:
        data_labels: Names of the data set, by id.
        model_labels: Names of the model, by id.
        matches: What belongs together, and why.
        ids: (256,) uint8: id of the data set -> id of the model, or ``IGNORE``.
        folds: (C,) uint16: id of the model -> the id that it counts as: itself, but where one class of the data set
            covers several of the model.
    """

    data_labels: tuple[str, ...]
    model_labels: tuple[str, ...]
    matches: tuple[Match, ...]
    ids: NDArray[np.uint8]
    folds: NDArray[np.uint16]

    def truth(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W) ids of the data set -> ids of the model, or ``IGNORE``."""
        return np.take(self.ids, mask)

    def predicted(self, class_map: NDArray[np.integer]) -> NDArray[np.uint16]:
        """(H, W) ids of the model -> the ids they count as."""
        return np.take(self.folds, class_map)

    @property
    def same(self) -> bool:
        """Whether both have the same names at the same ids: then there is nothing to map."""
        plain = [same_name(label) for label in self.model_labels]
        return [same_name(label) for label in self.data_labels] == plain and not self.unmatched and not self.folded

    @property
    def folded(self) -> dict[str, str]:
        """Name of the model -> the other name as which its predictions count."""
        names = self.model_labels
        return {names[i]: names[to] for i, to in enumerate(self.folds.tolist()) if i != to}

    @property
    def merged(self) -> dict[str, tuple[str, ...]]:
        """Name of the model -> the names of the data set that count as it, where they are several."""
        found: dict[str, list[str]] = {}
        for i, label in enumerate(self.data_labels):
            if self.ids[i] != IGNORE:
                found.setdefault(self.model_labels[self.ids[i]], []).append(label)
        return {name: tuple(labels) for name, labels in found.items() if len(labels) > 1}

    @property
    def unmatched(self) -> tuple[str, ...]:
        return tuple(label for i, label in enumerate(self.data_labels) if self.ids[i] == IGNORE)

    @property
    def measured(self) -> tuple[str, ...]:
        """Names of the model that masks can have, in the model's order."""
        reached = set(self.ids[: len(self.data_labels)].tolist())
        return tuple(label for i, label in enumerate(self.model_labels) if i != IGNORE and i in reached)

    @property
    def unused(self) -> tuple[str, ...]:
        known = {*self.measured, *self.folded}
        return tuple(label for label in self.model_labels if label not in known)

    def notes(self) -> list[str]:
        """What is not plainly equal, a line each; nothing where every class has its namesake."""
        words = {"synonym": "the same by another name", "kin": "nearly the same", "override": "as you say"}
        lines = [
            f"{m.data} counts as {m.model[0]} ({words[m.how]})" for m in self.matches if m.how != "name" and m.model
        ]
        lines += [f"{name}, when predicted, counts as {to}" for name, to in self.folded.items()]
        lines += [f"{' and '.join(several)} are one class, {name}" for name, several in self.merged.items()]
        if self.unmatched:
            lines.append(f"ignored, for the model has no such class: {', '.join(self.unmatched)}")
        if self.unused:
            lines.append(f"in no mask, and wrong wherever predicted: {', '.join(self.unused)}")
        return lines


def match(
    data_labels: Sequence[str], model_labels: Sequence[str], overrides: Mapping[str, Sequence[str]] = NOTHING
) -> LabelMap:
    """Match by name, then by synonym (``core.labels.SYNONYMS``), then by ``KIN``; ``overrides`` come before all.

    ``overrides``: name of the data set (or ``REST``) -> names of the model, none to ignore the class.
    Raises ``DataError`` where nothing matches and for a matched id beyond 254, ``BadRequest`` for an override of an
    unknown name.
    """
    found = _overridden(data_labels, model_labels, overrides)
    found |= _by_name(found, data_labels, model_labels)
    found |= _by_kin(found, data_labels, model_labels)
    if REST in overrides:
        rest = tuple(overrides[REST])
        found |= {label: Match(label, rest, "override") for label in data_labels if label not in found}
    matches = tuple(found[label] for label in data_labels if label in found)
    if not any(m.model for m in matches):
        raise DataError(
            f"The data set and the model have no class name in common: {_some(data_labels)} on one side, "
            f"{_some(model_labels)} on the other.",
            "Say which is which with overrides such as pavement=sidewalk.",
        )
    return _numbered(tuple(data_labels), tuple(model_labels), matches)


def parse_overrides(texts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """ "bicyclist=rider+bicycle", "void=" (ignore), "*=background" (the rest). Raises ``BadRequest`` without "="."""
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        name, equals, names = text.partition("=")
        if not equals or not name.strip():
            raise BadRequest(
                f"{text!r} says no classes.", "Write DATA=MODEL, DATA=MODEL+MODEL, DATA= to ignore, or *=MODEL."
            )
        if name.strip() in found:
            raise BadRequest(f"{name.strip()!r} is given twice.", "Join the model's names with +.")
        found[name.strip()] = tuple(part.strip() for part in names.split("+") if part.strip())
    return found


def _overridden(data: Sequence[str], model: Sequence[str], overrides: Mapping[str, Sequence[str]]) -> dict[str, Match]:
    for name, names in overrides.items():
        if name != REST and name not in data:
            raise BadRequest(f"The data set has no class {name!r}.", nearest(name, data))
        for other in names:
            if other not in model:
                raise BadRequest(f"The model has no class {other!r}.", nearest(other, model))
    return {name: Match(name, tuple(names), "override") for name, names in overrides.items() if name != REST}


def _by_name(found: Mapping[str, Match], data: Sequence[str], model: Sequence[str]) -> dict[str, Match]:
    same: dict[str, list[str]] = {}
    for label in model:
        same.setdefault(same_name(label), []).append(label)
    matches = {}
    for label in data:
        partners = same.get(same_name(label), [])
        if label not in found and partners:
            first = sorted(partners, key=lambda other: _plain(other) != _plain(label))
            how: How = "name" if _plain(first[0]) == _plain(label) else "synonym"
            matches[label] = Match(label, tuple(first), how)
    return matches


def _by_kin(found: Mapping[str, Match], data: Sequence[str], model: Sequence[str]) -> dict[str, Match]:
    taken = {name for m in found.values() for name in m.model}
    free = {same_name(label): label for label in reversed(model) if label not in taken}
    matches = {}
    for label in data:
        own = same_name(label)
        words = [b if a == own else a for a, b in KIN if own in (a, b)]
        partners = tuple(free[word] for word in words if word in free)
        if label not in found and partners:
            matches[label] = Match(label, partners, "kin")
    return matches


def _numbered(data: tuple[str, ...], model: tuple[str, ...], matches: tuple[Match, ...]) -> LabelMap:
    number = {label: i for i, label in reversed(list(enumerate(model)))}
    folds = np.arange(len(model), dtype=np.uint16)
    for m in matches:
        for other in m.model[1:]:
            folds[folds == folds[number[other]]] = folds[number[m.model[0]]]
    ids = np.full(256, IGNORE, np.uint8)
    for m in matches:
        if m.model:
            to = int(folds[number[m.model[0]]])
            if to >= IGNORE:
                raise DataError(
                    f"{m.model[0]!r} is class {to} of the model; masks hold at most {IGNORE} classes.",
                    "Leave it out with an override.",
                )
            ids[data.index(m.data)] = to
    return LabelMap(data_labels=data, model_labels=model, matches=matches, ids=ids, folds=folds)


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").split())


def _some(labels: Sequence[str]) -> str:
    return ", ".join(labels[:4]) + (" ..." if len(labels) > 4 else "")
