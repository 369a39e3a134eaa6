"""Two models beside each other on the same pictures: where they agree, how good, how fast and how large each is."""

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from maskery.core.arrays import Integers
from maskery.core.errors import BadRequest
from maskery.core.plan import RunOptions
from maskery.core.progress import Progress, silent
from maskery.core.result.capabilities import HasClassMap, Result
from maskery.evaluation.confusion import Confusion, quality
from maskery.evaluation.dataset import open_masks
from maskery.evaluation.matching import pair, same_classes
from maskery.evaluation.measurement import Comparison, EvaluationOptions, Measurement
from maskery.evaluation.segmentation import EvaluatedPicture, Tally, class_map, open_picture
from maskery.inference.pipeline import Model
from maskery.inference.tasks.registry import task_of


def compare_pictures(
    a: Model, b: Model, pictures: Sequence[Path], max_side: int | None = None, progress: Progress = silent
) -> Comparison:
    """Beside each other only. Raises ``BadRequest`` for a classifier, ``DataError`` where no class name is common."""
    run = _Both(a, b, max_side)
    for done, path in enumerate(pictures, 1):
        run.add(path)
        progress(done, len(pictures))
    return run.comparison()


def compare_on_data(
    a: Model, b: Model, root: Path, split: str, options: EvaluationOptions, progress: Progress = silent
) -> Comparison:
    """Beside each other and beside the truth, in one go. Raises as ``evaluation.measure`` does too."""
    run = _Both(a, b, options.max_side)
    masks = [open_masks(model.card, root, split, options) for model in (a, b)]
    tallies = [Tally(one, options) for one in masks]
    pictures = min(len(masks[0].data), options.limit or len(masks[0].data))
    for index in range(pictures):
        results = run.add(masks[0].data.image_path(index))
        picture = open_picture(masks[0].data.image_path(index))
        for one, tally, result in zip(masks, tallies, results, strict=True):
            truth, predicted = one.matching.apply(one.data.mask(index), class_map(result))
            tally.add(index, EvaluatedPicture(picture, truth, predicted, result))
        progress(index + 1, pictures)
    of_a, of_b = (tally.measurement(m, root, split) for tally, m in zip(tallies, (a, b), strict=True))
    return run.comparison((of_a, of_b))


class _Both:
    """Runs both models on each picture, in turns the one and the other first, and counts."""

    def __init__(self, a: Model, b: Model, max_side: int | None) -> None:
        for model in (a, b):
            task = task_of(model.card)
            if not task.gives(HasClassMap):
                raise BadRequest(
                    f"{model.card.name} is {task.noun}: it has no mask to compare.",
                    "Measure each with maskery evaluate.",
                )
        self.models, self.run_options = (a, b), RunOptions(max_side=max_side)
        same = a.card.labels == b.card.labels
        self.matching = same_classes(a.card.labels) if same else pair(b.card.labels, a.card.labels)
        self.confusion = Confusion(len(self.matching.labels))
        self.pictures: list[Path] = []
        self.shares: list[float] = []
        self.spent: tuple[list[float], list[float]] = ([], [])

    def add(self, path: Path) -> tuple[Result, Result]:
        """The results of a and b. The first picture is run twice, for first runs take longer."""
        if not self.pictures:
            for model in self.models:
                model.run(open_picture(path), self.run_options)
        results: dict[int, Result] = {}
        for side in (0, 1) if len(self.pictures) % 2 == 0 else (1, 0):
            picture = open_picture(path)
            started = time.perf_counter()
            results[side] = self.models[side].run(picture, self.run_options)
            self.spent[side].append(1000 * (time.perf_counter() - started))
        counts = self.confusion.add(*self.paired(results[0], results[1]))
        self.shares.append(_agreed(counts))
        self.pictures.append(path)
        return results[0], results[1]

    def paired(self, of_a: Result, of_b: Result) -> tuple[Any, Any]:
        """b's map, as if it were the truth, and a's, in ids of ``matching.labels``."""
        return self.matching.truth[class_map(of_b)], self.matching.predicted[class_map(of_a)]

    def comparison(self, qualities: tuple[Measurement, Measurement] | None = None) -> Comparison:
        a, b = self.models
        found = quality(self.confusion, self.matching.labels)
        times = (median(self.spent[0]), median(self.spent[1]))
        share = _agreed(self.confusion.matrix)
        return Comparison(
            a=a.card,
            b=b.card,
            pictures=tuple(self.pictures),
            matching=self.matching,
            agreement=share,
            iou=found.iou,
            shares=tuple(self.shares),
            median_ms=times,
            qualities=qualities,
        )


def _agreed(counts: Integers) -> float:
    total = int(counts.sum())
    return float(counts.diagonal().sum() / total) if total else 1.0
