"""Results and photos as bands of rows, whether they lie in memory or come from top to bottom."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from maskery.banded import BandedResult, Ids
from maskery.engine.source import Photo, PhotoRows
from maskery.result import ForegroundResult, SemanticResult
from maskery.rows import rebanded, steps

Drawn = SemanticResult | ForegroundResult | BandedResult
Decided = SemanticResult | BandedResult


def decided(result: Drawn) -> Decided:
    """The result as classes; of a soft mask, its hard decision."""
    return result.as_semantic if isinstance(result, ForegroundResult) else result


def id_rows(result: Decided, rows: int) -> Iterator[Ids]:
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
