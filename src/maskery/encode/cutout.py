"""The photo with everything but the classes made transparent: an RGBA PNG."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from maskery.encode import png
from maskery.encode.chosen import subject
from maskery.encode.provenance import png_text
from maskery.result import ForegroundResult, SemanticResult


def encode_cutout(result: SemanticResult | ForegroundResult, photo: NDArray[np.uint8]) -> bytes:
    """PNG bytes, RGBA. ``photo``: the upright picture, (H, W, 3) uint8 RGB, of the result's size.

    Alpha is the soft mask of a foreground result; else 255 where a class is and 0 on background and pixels of no class.
    What is wholly transparent is black: nothing of the photo is hidden there. Raises ``BadRequest`` where the model has
    no background class and no class was chosen.
    """
    alpha = result.alpha if isinstance(result, ForegroundResult) else _opaque(result)
    return png.photo(_bands(alpha, photo), result.frame.size_wh, channels=4, extra=png_text(result))


def _bands(alpha: NDArray[np.uint8], photo: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Bands (h, W, 4) uint8 RGBA, from top to bottom."""
    height, width = alpha.shape
    rows = png.band_rows(4 * width)
    for top in range(0, height, rows):
        part = alpha[top : top + rows]
        visible = (part > 0).view(np.uint8)
        rgba = np.empty((*part.shape, 4), np.uint8)
        for channel in range(3):
            np.multiply(photo[top : top + rows, :, channel], visible, out=rgba[:, :, channel])
        rgba[:, :, 3] = part
        yield rgba


def _opaque(result: SemanticResult) -> NDArray[np.uint8]:
    """(H, W) uint8: 255 where a class is, 0 on background and pixels of no class."""
    table = np.where(subject(result, "kept"), np.uint8(255), np.uint8(0))
    return table[result.class_map]  # np.take would widen the ids to 64 bits
