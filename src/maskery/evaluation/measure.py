"""A model measured on a data set, through the pipeline that serves pictures."""

import time
from pathlib import Path

import numpy as np

from maskery.core.picture import decode
from maskery.core.plan import RunOptions
from maskery.core.progress import Progress, silent
from maskery.core.result.capabilities import HasScores, expect
from maskery.evaluation.confusion import hits
from maskery.evaluation.dataset import FolderDataset, open_folders, open_masks
from maskery.evaluation.measurement import PLAIN, Clock, EvaluationOptions, Measurement, WorstImage
from maskery.evaluation.segmentation import measure_masks
from maskery.inference.pipeline import Model
from maskery.inference.tasks.registry import task_of

NO_LIMIT = 1 << 40
FIRST = 5


def measure_folders(
    model: Model, root: Path, split: str, options: EvaluationOptions, folders: FolderDataset, progress: Progress
) -> Measurement:
    """One split, or its first ``options.limit`` pictures; those of folders without partner are left out."""
    data, matching = folders.data, folders.matching
    known = [i for i in range(len(data)) if matching.truth[data.label(i)] >= 0]
    chosen = known[: options.limit]
    matrix = np.zeros((len(matching.labels), len(matching.labels) + 1), np.int64)
    within, clock, wrong = 0, Clock(), []
    run_options, started = RunOptions(max_side=options.max_side), time.perf_counter()
    for done, index in enumerate(chosen, 1):
        result = model.run(
            decode.open_picture(data.content(index), max_bytes=NO_LIMIT, max_pixels=NO_LIMIT), run_options
        )
        scores = expect(result, HasScores).scores
        truth, best = int(matching.truth[data.label(index)]), np.argsort(-scores, kind="stable")[:FIRST]
        predicted = matching.predicted[best]
        matrix[truth, predicted[0]] += 1
        within += truth in predicted
        if predicted[0] != truth:
            own = float(scores[matching.predicted == truth].sum())
            wrong.append(
                WorstImage(
                    index=index,
                    name=data.name(index),
                    score=own,
                    truth=matching.labels[truth],
                    predicted=model.card.labels[best[0]],
                )
            )
        clock.note(result.meta.timings_ms)
        progress(done, len(chosen))
    clock.seconds = time.perf_counter() - started
    return Measurement(
        card=model.card,
        root=root,
        split=split,
        format="class-folder",
        options=options,
        pictures=len(chosen),
        of=len(known),
        labels=matching.labels,
        scores=hits(matrix, matching.labels, within if len(matching.predicted) > FIRST else None),
        confusion=matrix,
        notes=matching.notes,
        worst=tuple(sorted(wrong, key=lambda poor: (poor.score, poor.index))[: options.worst]),
        clock=clock,
    )


def measure(
    model: Model, root: Path, split: str = "val", options: EvaluationOptions = PLAIN, progress: Progress = silent
) -> Measurement:
    """Run the model on every picture of ``split`` and compare with the truth, at the picture's own size.

    Masks are for semantic and foreground models, class folders for classifiers; ``Measurement.scores`` is ``Quality``
    or ``Hits``.

    Raises ``DataError`` for a data set that is missing or damaged, that does not suit the model's task or has no class
    in common with it, and for masks of another size than their pictures.
    """
    if task_of(model.card).gives(HasScores):
        folders = open_folders(model.card, root, split, options)
        return measure_folders(model, root, split, options, folders, progress)
    return measure_masks(model, root, split, options, open_masks(model.card, root, split, options), progress)
