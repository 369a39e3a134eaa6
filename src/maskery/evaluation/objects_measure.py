"""A model of objects run on every picture of a data set, through the pipeline that serves."""

import heapq
import time
from pathlib import Path

from maskery.core.errors import TooLarge
from maskery.core.plan import RunOptions
from maskery.core.progress import Progress, silent
from maskery.core.result.capabilities import HasInstances, expect
from maskery.core.result.instances import Instance
from maskery.datasets.object_truths import ObjectTruths, open_truths
from maskery.evaluation.average_precision import expect_package
from maskery.evaluation.measurement import PLAIN, Clock, EvaluationOptions, WorstImage
from maskery.evaluation.object_matching import ObjectMatching, pair_objects
from maskery.evaluation.object_measurement import ObjectMeasurement, ObjectTally
from maskery.evaluation.segmentation import open_picture
from maskery.inference.pipeline import Model
from maskery.inference.tasks.objects import DETECTION
from maskery.inference.tasks.registry import task_of

LEAST_SCORE, MOST_OBJECTS = 0.05, 100
COUNTED_SCORE = 0.3


def measure_objects(
    model: Model, root: Path, split: str, options: EvaluationOptions = PLAIN, progress: Progress = silent
) -> ObjectMeasurement:
    """Every picture of a split, at its own size. Raises ``DataError`` for a data set that is missing or damaged or has
    no class in common with the model, ``MissingExtra`` without faster-coco-eval.
    """
    expect_package()
    truths, matching = open_objects_for(model, root, split, options)
    masks = task_of(model.card) is not DETECTION
    counted = model.card.objects.score if model.card.objects else COUNTED_SCORE
    tally, clock, found = ObjectTally(matching, masks, counted), Clock(), list[tuple[float, int]]()
    pictures, started = min(len(truths.paths), options.limit or len(truths.paths)), time.perf_counter()
    for index in range(pictures):
        instances, timings = found_objects(model, truths.paths[index], options.max_side)
        found.append((tally.add(truths.truth(index), instances), index))
        clock.note(timings)
        progress(index + 1, pictures)
    clock.seconds = time.perf_counter() - started
    worst = [
        WorstImage(index=i, name=truths.paths[i].stem, score=score)
        for score, i in heapq.nsmallest(options.worst, found)
        if score < 1
    ]
    return ObjectMeasurement(
        card=model.card,
        root=root,
        split=split,
        format=truths.format,
        options=options,
        pictures=pictures,
        of=len(truths.paths),
        labels=matching.labels,
        scores=tally.scores(),
        least_score=LEAST_SCORE,
        counted_score=counted,
        notes=matching.notes,
        worst=tuple(worst),
        clock=clock,
    )


def open_objects_for(
    model: Model, root: Path, split: str, options: EvaluationOptions
) -> tuple[ObjectTruths, ObjectMatching]:
    """The truth, and how its classes are the model's. Raises ``DataError``."""
    truths = open_truths(root, split, options.format, options.labels)
    return truths, pair_objects(truths.labels, model.card.labels, options.overrides)


def found_objects(
    model: Model, path: Path, max_side: int | None, least_score: float = LEAST_SCORE
) -> tuple[tuple[Instance, ...], dict[str, float]]:
    """Of one picture, the surest first, with milliseconds by stage.

    Where their masks would not fit the memory, half as many are asked for, and so on.
    """
    most = MOST_OBJECTS
    while True:
        try:
            result = model.run(open_picture(path), RunOptions(max_side=max_side, score=least_score, max_objects=most))
        except TooLarge:
            if most == 1:
                raise
            most //= 2
            continue
        return expect(result, HasInstances).instances, result.meta.timings_ms
