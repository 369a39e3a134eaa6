"""Which classes a format is about."""

import numpy as np
from numpy.typing import NDArray

from maskery.errors import BadRequest
from maskery.result import SemanticResult

BACKGROUND = "background"


def drawn(result: SemanticResult) -> NDArray[np.bool_]:
    """(256 or 65536,) by id: True for every class but background; for background only where it was chosen."""
    table = np.zeros(result.unlabelled + 1, np.bool_)
    table[: len(result.labels)] = True
    if BACKGROUND in result.labels:
        table[result.labels.index(BACKGROUND)] = BACKGROUND in result.kept
    return table


def subject(result: SemanticResult, deed: str) -> NDArray[np.bool_]:
    """(256 or 65536,) by id: True for the chosen classes, or for every class but background where none was chosen.

    Raises ``BadRequest`` where the model has no background and no class was chosen: ``deed`` would be done everywhere.
    """
    if BACKGROUND not in result.labels and not result.kept:
        names = ", ".join(c.name for c in result.classes)
        cure = f"Say which classes; this picture has {names}."
        raise BadRequest(f"{result.model.name} has no background class, so all would be {deed}.", cure)
    return drawn(result)
