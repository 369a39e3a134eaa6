"""A classifier against class folders: every picture through the road that serves pictures."""

import time
from pathlib import Path

import numpy as np

from maskery import image
from maskery.measuring.measurement import Clock, Measurement, Poor
from maskery.measuring.opening import Folders
from maskery.measuring.terms import Progress, Terms
from maskery.metrics import hits
from maskery.pipeline import Model, Wish
from maskery.result import ClassificationResult

NO_LIMIT = 1 << 40
FIRST = 5


def measure_folders(
    model: Model, root: Path, split: str, terms: Terms, folders: Folders, progress: Progress
) -> Measurement:
    """Everything of one split, or the first ``terms.limit`` pictures; those of folders without partner are left out."""
    data, pairing = folders.data, folders.pairing
    judged = [i for i in range(len(data)) if pairing.truth[data.label(i)] >= 0]
    chosen = judged[: terms.limit]
    matrix = np.zeros((len(pairing.labels), len(pairing.labels) + 1), np.int64)
    within, clock, wrong = 0, Clock(), []
    wish, started = Wish(max_side=terms.max_side), time.perf_counter()
    for done, index in enumerate(chosen, 1):
        result = model.run(image.open_picture(data.content(index), max_bytes=NO_LIMIT, max_pixels=NO_LIMIT), wish)
        assert isinstance(result, ClassificationResult)
        truth, best = int(pairing.truth[data.label(index)]), np.argsort(-result.scores, kind="stable")[:FIRST]
        said = pairing.predicted[best]
        matrix[truth, said[0]] += 1
        within += truth in said
        if said[0] != truth:
            own = float(result.scores[pairing.predicted == truth].sum())
            wrong.append(Poor(index, data.name(index), own, pairing.labels[truth], model.card.labels[best[0]]))
        clock.note(result.timings_ms)
        progress(done, len(chosen))
    clock.seconds = time.perf_counter() - started
    return Measurement(
        card=model.card,
        root=root,
        split=split,
        format="class-folder",
        terms=terms,
        pictures=len(chosen),
        of=len(judged),
        labels=pairing.labels,
        scores=hits(matrix, pairing.labels, within if len(pairing.predicted) > FIRST else None),
        confusion=matrix,
        told=pairing.told,
        worst=tuple(sorted(wrong, key=lambda poor: (poor.score, poor.index))[: terms.worst]),
        clock=clock,
    )
