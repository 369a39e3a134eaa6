"""A model against a data set, through the same road that serves pictures."""

from pathlib import Path

from maskery.measuring.classification import measure_folders
from maskery.measuring.measurement import Measurement
from maskery.measuring.opening import open_folders, open_masks
from maskery.measuring.segmentation import measure_masks
from maskery.measuring.terms import PLAIN, Progress, Terms, silent
from maskery.pipeline import Model


def measure(
    model: Model, root: Path, split: str = "val", terms: Terms = PLAIN, progress: Progress = silent
) -> Measurement:
    """Run the model on every picture of ``split`` and compare with the truth, at the picture's own size.

    Masks are for semantic and foreground models, class folders for classifiers; ``Measurement.scores`` is ``Quality``
    or ``Hits``.

    Raises ``DataError`` for a data set that is missing or damaged, that does not suit the model's task or has no class
    in common with it, and for masks of another size than their pictures.
    """
    if model.card.task == "classification":
        folders = open_folders(model.card, root, split, terms)
        return measure_folders(model, root, split, terms, folders, progress)
    return measure_masks(model, root, split, terms, open_masks(model.card, root, split, terms), progress)
