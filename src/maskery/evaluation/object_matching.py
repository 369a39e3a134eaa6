"""Which class of a data set is which class of a model of objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from maskery.core.labels import IGNORE
from maskery.datasets.label_map import NOTHING, match

BACKGROUND = "background"


@dataclass(frozen=True)
class ObjectMatching:
    """``labels``: the measured classes, by the model's names. ``truth``: class of the data set -> index in ``labels``.

    ``predicted``: id of the model -> index in ``labels``. What is in neither is not measured. ``notes``: what is not
    plain about it, a line each.
    """

    labels: tuple[str, ...]
    truth: Mapping[str, int]
    predicted: Mapping[int, int]
    notes: tuple[str, ...]


def pair_objects(
    data_labels: Sequence[str], model_labels: Sequence[str], overrides: Mapping[str, Sequence[str]] = NOTHING
) -> ObjectMatching:
    """By name, as ``datasets.label_map.match`` does, and raising as it does; ``background`` is no class of objects.

    A class of either side without partner is not measured: neither its objects nor what is taken for it count.
    """
    data = [name for name in data_labels if name != BACKGROUND]
    model = [name for name in model_labels if name != BACKGROUND]
    found = match(data, model, overrides)
    index = {model.index(label): i for i, label in enumerate(found.measured)}
    truth = {name: index[int(found.ids[i])] for i, name in enumerate(data) if found.ids[i] != IGNORE}
    predicted = {
        model_labels.index(name): index[int(found.folds[i])]
        for i, name in enumerate(model)
        if int(found.folds[i]) in index
    }
    words = {"synonym": "the same by another name", "kin": "nearly the same", "override": "as asked"}
    notes = [
        f"{m.data} counts as {' + '.join(m.model)} ({words[m.how]})"
        for m in found.matches
        if m.how != "name" and m.model
    ]
    notes += [f"{' and '.join(names)} are one class, {name}" for name, names in found.merged.items()]
    for side, names in (("the model", found.unmatched), ("the data set", found.unused)):
        if names:
            notes.append(f"not measured, for {side} has no such class: {', '.join(names)}")
    return ObjectMatching(found.measured, truth, predicted, tuple(notes))
