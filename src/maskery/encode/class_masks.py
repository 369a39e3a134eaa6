"""A result as one black and white PNG for each class that occurs, with its score where there is one."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskery.encode import png
from maskery.encode.provenance import png_text
from maskery.result import ForegroundResult, SemanticResult


@dataclass(frozen=True)
class ClassMask:
    """``png``: 8-bit grey, 255 where the class is, else 0. ``score``: a probability, None of a class map."""

    label: str
    png: bytes
    score: float | None


def class_masks(result: SemanticResult | ForegroundResult, threshold: float = 0.5) -> Iterator[ClassMask]:
    """Of a class map every class, by id; of a soft mask the foreground, from the probability ``threshold`` on.

    The foreground's score is its mean probability there; where it is nowhere, there is no mask. ``threshold`` says
    nothing of a class map, whose pixels are decided.
    """
    if isinstance(result, ForegroundResult):
        chosen = result.alpha >= round(threshold * 255)
        if chosen.any():
            score = float(result.alpha.mean(where=chosen)) / 255
            yield ClassMask(result.labels[1], _png(chosen, result), score)
        return
    for item in sorted(result.classes, key=lambda item: item.id):
        yield ClassMask(item.name, _png(result.class_map == item.id, result), None)


def _png(chosen: NDArray[np.bool_], result: SemanticResult | ForegroundResult) -> bytes:
    return png.grey(chosen.view(np.uint8) * np.uint8(255), png_text(result))
