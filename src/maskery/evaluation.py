"""A model against a data set, through the same road that serves pictures."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from maskery import image
from maskery.datasets.formats import open_dataset
from maskery.errors import DataError
from maskery.metrics import Confusion, Quality, quality
from maskery.pipeline import Model, Wish
from maskery.result import SemanticResult

NO_LIMIT = 1 << 40


def evaluate_model(
    model: Model,
    root: Path,
    split: str,
    format: str = "auto",
    max_side: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Quality:
    """Segment every picture of ``split`` and compare at its own size.

    Mask values are the ids of the model's labels. Raises ``DataError`` for a data set that is missing or damaged, for
    masks of another size than their pictures, and for a model that is not semantic.
    """
    if model.card.task != "semantic":
        raise DataError(f"{model.card.name} is a {model.card.task} model.", "Evaluate a semantic one.")
    data = open_dataset(root, split, model.card.labels, format)
    confusion = Confusion(len(model.card.labels))
    wish = Wish(max_side=max_side)
    for i in range(len(data)):
        picture = image.open_picture(data.image_path(i), max_bytes=NO_LIMIT, max_pixels=NO_LIMIT)
        result = model.run(picture, wish)
        assert isinstance(result, SemanticResult)
        truth = data.mask(i)
        if truth.shape != result.class_map.shape:
            raise DataError(
                f"The mask of {data.name(i)} is {truth.shape[1]} x {truth.shape[0]} pixels, its picture "
                f"{picture.size_wh[0]} x {picture.size_wh[1]}.",
                "Make the mask as large as the upright picture.",
            )
        confusion.add(truth, np.asarray(result.class_map))
        progress(i + 1, len(data))
    return quality(confusion, model.card.labels)
