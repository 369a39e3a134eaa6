"""Which classes a format is about, and results and photos as bands of rows."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import ClassMap
from maskery.core.errors import BadRequest
from maskery.core.picture.rows import rebanded, steps
from maskery.core.result.banded import BandedResult
from maskery.core.result.rle import without_small
from maskery.core.result.types import ClassShare, ForegroundResult, SemanticResult
from maskery.inference.source import Photo, PhotoRows

Drawn = SemanticResult | ForegroundResult | BandedResult
Decided = SemanticResult | BandedResult


def decided(result: Drawn) -> Decided:
    """The result as classes; of a soft mask, its hard decision."""
    return result.as_semantic if isinstance(result, ForegroundResult) else result


def id_rows(result: Decided, rows: int) -> Iterator[ClassMap]:
    """Class ids, (rows, W) a band, the last one lower."""
    return rebanded(result.rows(), _heights(result.frame.size_wh[1], rows))


def alpha_rows(result: ForegroundResult | BandedResult, rows: int) -> Iterator[NDArray[np.uint8]]:
    """The soft mask, (rows, W) uint8 a band. Raises ``ValueError`` for a result without one."""
    bands = result.alpha_rows() if isinstance(result, BandedResult) else iter([result.alpha])
    return rebanded(bands, _heights(result.frame.size_wh[1], rows))


def photo_rows(photo: Photo, rows: int) -> Iterator[NDArray[np.uint8]]:
    """The photo, (rows, W, 3) uint8 a band. Raises ``PictureError`` where it is read from a damaged file."""
    if isinstance(photo, PhotoRows):
        return rebanded(photo.rows(), _heights(photo.size_wh[1], rows))
    return rebanded([photo], _heights(len(photo), rows))


def soft(result: Drawn) -> bool:
    """Whether the result has a soft mask."""
    return result.soft if isinstance(result, BandedResult) else isinstance(result, ForegroundResult)


def _heights(height: int, rows: int) -> Iterator[int]:
    return (stop - start for start, stop in steps(height, rows))


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
