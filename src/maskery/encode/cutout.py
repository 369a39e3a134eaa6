"""The photo with everything but the classes made transparent: an RGBA PNG."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from maskery.banded import BandedResult
from maskery.encode import png
from maskery.encode.chosen import subject
from maskery.encode.provenance import png_text
from maskery.encode.rowwise import Drawn, alpha_rows, id_rows, photo_rows
from maskery.engine.source import Photo
from maskery.result import ForegroundResult


def encode_cutout(result: Drawn, photo: Photo) -> bytes:
    """PNG bytes, RGBA. ``photo``: the upright picture, (H, W, 3) uint8 RGB, of the result's size.

    Alpha is the soft mask of a foreground result; else 255 where a class is and 0 on background and pixels of no class.
    What is wholly transparent is black: nothing of the photo is hidden there. Raises ``BadRequest`` where the model has
    no background class and no class was chosen.
    """
    size = result.frame.size_wh
    rows = png.band_rows(4 * size[0])
    bands = map(rgba, alpha_bands(result, rows), photo_rows(photo, rows))
    return png.photo(bands, size, channels=4, extra=png_text(result))


def rgba(alpha: NDArray[np.uint8], photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, W) and (h, W, 3) -> (h, W, 4)."""
    visible = (alpha > 0).view(np.uint8)
    band = np.empty((*alpha.shape, 4), np.uint8)
    for channel in range(3):
        np.multiply(photo[:, :, channel], visible, out=band[:, :, channel])
    band[:, :, 3] = alpha
    return band


def alpha_bands(result: Drawn, rows: int) -> Iterator[NDArray[np.uint8]]:
    """Bands (h, W) uint8: the soft mask; else 255 where a class is, 0 on background and pixels of no class.

    Raises ``BadRequest`` as ``encode_cutout`` does.
    """
    if isinstance(result, ForegroundResult) or (isinstance(result, BandedResult) and result.soft):
        return alpha_rows(result, rows)
    table = np.where(subject(result, "kept"), np.uint8(255), np.uint8(0))
    return (table[band] for band in id_rows(result, rows))  # np.take would widen the ids to 64 bits
