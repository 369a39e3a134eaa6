"""Which classes a format is about."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from maskery.encode.rowwise import Decided
from maskery.errors import BadRequest
from maskery.result import ClassShare, SemanticResult
from maskery.runs import without_small

BACKGROUND = "background"


def drawn(result: Decided) -> NDArray[np.bool_]:
    """(256 or 65536,) by id: True for every class but background; for background only where it was chosen."""
    table = np.zeros(result.unlabelled + 1, np.bool_)
    table[: len(result.labels)] = True
    if BACKGROUND in result.labels:
        table[result.labels.index(BACKGROUND)] = BACKGROUND in result.kept
    return table


def shown(result: SemanticResult) -> list[ClassShare]:
    """The classes that occur and are ``drawn``, most pixels first."""
    table = drawn(result)
    return [share for share in result.classes if table[share.id]]


def subject(result: Decided, deed: str) -> NDArray[np.bool_]:
    """(256 or 65536,) by id: True for the chosen classes, or for every class but background where none was chosen.

    Raises ``BadRequest`` where the model has no background and no class was chosen: ``deed`` would be done everywhere.
    """
    if BACKGROUND not in result.labels and not result.kept:
        names = ", ".join(c.name for c in result.classes)
        cure = f"Say which classes; this picture has {names}."
        raise BadRequest(f"{result.model.name} has no background class, so all would be {deed}.", cure)
    return drawn(result)


def without_small_pieces(result: SemanticResult, min_area: int) -> tuple[SemanticResult, dict[str, int]]:
    """Pieces of fewer pixels than ``min_area`` become background, or no class; and what an answer says about that."""
    if min_area <= 1:
        return result, {"pieces": 0, "pixels": 0}
    rest = result.labels.index(BACKGROUND) if BACKGROUND in result.labels else result.unlabelled
    class_map, pieces, pixels = without_small(result.class_map, min_area, rest)
    return replace(result, class_map=class_map), {"pieces": pieces, "pixels": pixels}
