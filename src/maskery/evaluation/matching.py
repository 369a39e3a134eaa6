"""Which class of the data set is which class of the model, and what becomes of those without partner."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskery.core.errors import BadRequest, DataError, nearest
from maskery.core.labels import IGNORE, same_name
from maskery.datasets.label_map import NOTHING, REST, LabelMap, match

BACKGROUND = "background"
OTHER = "none of these"
"""What a page calls predictions that are none of the measured classes."""


@dataclass(frozen=True)
class ClassMatching:
    """``labels``: the measured classes, by the model's names. ``truth``: (256,) uint8, id in a mask -> index in
    ``labels``, or ``IGNORE``. ``predicted``: (C,), id of the model -> index in ``labels``, or ``len(labels)`` for none
    of them. ``notes``: what is not plain about it, a line each.
    """

    labels: tuple[str, ...]
    truth: NDArray[np.integer]
    predicted: NDArray[np.integer]
    notes: tuple[str, ...] = ()

    def apply(
        self, mask: NDArray[np.uint8], class_map: NDArray[np.integer]
    ) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """A mask and a class map, (H, W) both, in ids of ``labels``."""
        return self.truth[mask], self.predicted[class_map]


def same_classes(labels: Sequence[str]) -> ClassMatching:
    """For masks whose ids are the model's own."""
    ids = np.arange(256, dtype=np.uint8)
    return ClassMatching(tuple(labels), ids, np.arange(len(labels)))


def pair(
    data_labels: Sequence[str], model_labels: Sequence[str], overrides: Mapping[str, Sequence[str]] = NOTHING
) -> ClassMatching:
    """By name, as ``datasets.label_map.match`` does; raises ``DataError`` as that does.

    A class of the data set without partner is background for a model that has a background, otherwise not measured. A
    class of the model without partner is background where the masks have one, otherwise wrong wherever it is predicted.
    """
    if BACKGROUND in model_labels and REST not in overrides:
        overrides = {**overrides, REST: (BACKGROUND,)}
    found = match(data_labels, model_labels, overrides)
    if found.same:
        return same_classes(model_labels)
    labels = found.measured
    if labels == (BACKGROUND,):
        raise _nothing_common(data_labels, model_labels)
    index = {model_labels.index(label): i for i, label in enumerate(labels)}
    beyond = labels.index(BACKGROUND) if BACKGROUND in labels else len(labels)
    truth = np.array([index.get(int(i), IGNORE) for i in found.ids], np.uint8)
    predicted = np.array([index.get(int(i), beyond) for i in found.folds])
    return ClassMatching(labels, truth, predicted, tuple(_notes(found, beyond < len(labels))))


def some(names: Sequence[str], count: int = 4) -> str:
    """The first names, for a message."""
    return ", ".join(names[:count]) + (" ..." if len(names) > count else "")


def _notes(found: LabelMap, background: bool) -> list[str]:
    words = {"synonym": "the same by another name", "kin": "nearly the same", "override": "as asked"}
    rest = [m.data for m in found.matches if m.model == (BACKGROUND,) and m.data != BACKGROUND]
    lines = [
        f"{m.data} counts as {' + '.join(m.model)} ({words[m.how]})"
        for m in found.matches
        if m.how != "name" and m.model and m.data not in rest
    ]
    lines += [
        f"{' and '.join(names)} are one class, {name}" for name, names in found.merged.items() if name != BACKGROUND
    ]
    if rest:
        lines.append(f"background, for the model has no such class: {', '.join(rest)}")
    ignored = [m.data for m in found.matches if not m.model]
    if ignored:
        lines.append(f"not judged, as asked: {', '.join(ignored)}")
    unmatched = [label for label in found.unmatched if label not in ignored]
    if unmatched:
        lines.append(f"not judged, for the model has no such class: {', '.join(unmatched)}")
    if found.unused:
        fate = "background" if background else "wrong"
        lines.append(f"in no mask, and {fate} wherever predicted: {', '.join(found.unused)}")
    return lines


def pair_folders(
    data_labels: Sequence[str], model_labels: Sequence[str], overrides: Mapping[str, Sequence[str]] = NOTHING
) -> ClassMatching:
    """Class folders with a classifier's classes, of which there may be any number: by name and synonym only.

    ``truth``: (D,) int64, id of the folder -> index in ``labels``, or -1 for one without partner, whose pictures are
    left out. Raises ``DataError`` where no name is common, ``BadRequest`` for overrides of unknown names.
    """
    by_name: dict[str, list[str]] = {}
    for label in model_labels:
        by_name.setdefault(same_name(label), []).append(label)
    for name, others in overrides.items():
        _expect(name, data_labels, "data set")
        for other in others:
            _expect(other, model_labels, "model")
    partners = [tuple(overrides.get(name, by_name.get(same_name(name), ()))) for name in data_labels]
    labels = tuple(dict.fromkeys(names[0] for names in partners if names))
    if not labels:
        raise _nothing_common(data_labels, model_labels)
    index = {label: i for i, label in enumerate(labels)}
    truth = np.array([index[names[0]] if names else -1 for names in partners])
    counts_as = {other: index[names[0]] for names in partners for other in names}
    predicted = np.array([counts_as.get(label, len(labels)) for label in model_labels])
    renamed = [
        f"{name} counts as {' + '.join(names)}"
        for name, names in zip(data_labels, partners, strict=True)
        if names and names != (name,)
    ]
    left_out = [name for name, names in zip(data_labels, partners, strict=True) if not names]
    notes = renamed + ([f"left out, for the model has no such class: {', '.join(left_out)}"] if left_out else [])
    unused = [label for label in model_labels if label not in counts_as]
    if unused:
        notes.append(f"in no folder, and wrong wherever predicted: {', '.join(unused)}")
    return ClassMatching(labels, truth, predicted, tuple(notes))


def _expect(name: str, known: Sequence[str], where: str) -> None:
    if name not in known:
        raise BadRequest(f"The {where} has no class {name!r}.", nearest(name, known))


def _nothing_common(data_labels: Sequence[str], model_labels: Sequence[str]) -> DataError:
    return DataError(
        f"The data set and the model have no class name in common: {some(data_labels)} on one side, "
        f"{some(model_labels)} on the other.",
        "Say which is which: --map pavement=sidewalk, for example.",
    )
