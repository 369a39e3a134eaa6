"""Which classes a format is about, and results and photos as bands of rows."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import ClassMap
from maskery.core.errors import BadRequest
from maskery.core.picture.rows import rebanded, steps
from maskery.core.picture.stream import Photo, PhotoRows
from maskery.core.result.capabilities import HasAlphaRows, HasClasses, HasClassMap
from maskery.core.result.meta import BACKGROUND, ClassShare
from maskery.core.result.rle import without_small
from maskery.core.result.types import SemanticResult


def id_rows(result: HasClasses, rows: int) -> Iterator[ClassMap]:
    """Class ids, (rows, W) a band, the last one lower."""
    return rebanded(result.rows(), _heights(result.meta.frame.size_wh[1], rows))


def alpha_rows(result: HasAlphaRows, rows: int) -> Iterator[NDArray[np.uint8]]:
    """The soft mask, (rows, W) uint8 a band."""
    return rebanded(result.alpha_rows(), _heights(result.meta.frame.size_wh[1], rows))


def photo_rows(photo: Photo, rows: int) -> Iterator[NDArray[np.uint8]]:
    """The photo, (rows, W, 3) uint8 a band. Raises ``PictureError`` where it is read from a damaged file."""
    if isinstance(photo, PhotoRows):
        return rebanded(photo.rows(), _heights(photo.size_wh[1], rows))
    return rebanded([photo], _heights(len(photo), rows))


def _heights(height: int, rows: int) -> Iterator[int]:
    return (stop - start for start, stop in steps(height, rows))


def drawn(result: HasClasses) -> NDArray[np.bool_]:
    """(256 or 65536,) by id: True for every class but background; for background only where it was chosen."""
    table = np.zeros(result.unlabelled + 1, np.bool_)
    table[: len(result.meta.labels)] = True
    if result.meta.background is not None:
        table[result.meta.background] = BACKGROUND in result.kept
    return table


def shown(result: HasClassMap) -> list[ClassShare]:
    """The classes that occur and are ``drawn``, most pixels first."""
    table = drawn(result)
    return [share for share in result.classes if table[share.id]]


def subject(result: HasClasses, deed: str) -> NDArray[np.bool_]:
    """(256 or 65536,) by id: True for the chosen classes, or for every class but background where none was chosen.

    Raises ``BadRequest`` where the model has no background and no class was chosen: ``deed`` would be done everywhere.
    """
    if result.meta.background is None and not result.kept:
        names = ", ".join(c.name for c in result.classes)
        cure = f"Say which classes; this picture has {names}."
        raise BadRequest(f"{result.meta.model.name} has no background class, so all would be {deed}.", cure)
    return drawn(result)


def without_small_pieces(result: HasClassMap, min_area: int) -> tuple[HasClassMap, dict[str, int]]:
    """Pieces of fewer pixels than ``min_area`` become background, or no class; and what an answer says about that."""
    if min_area <= 1:
        return result, {"pieces": 0, "pixels": 0}
    background = result.meta.background
    rest = result.unlabelled if background is None else background
    class_map, pieces, pixels = without_small(result.class_map, min_area, rest)
    left = SemanticResult(meta=result.meta, class_map=class_map, decided_by=result.decided_by, kept=result.kept)
    return left, {"pieces": pieces, "pixels": pixels}
