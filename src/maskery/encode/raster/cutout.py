"""The photo without its background: cut out, over one colour, or the cut-out mask alone, with smooth edges."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from maskery.core.picture.stream import Photo
from maskery.core.result.capabilities import HasAlphaRows, HasClasses, Result, capable
from maskery.encode.format import OBJECTS, PNG, ROWS, Encoder
from maskery.encode.object_facts import by_class
from maskery.encode.provenance import png_text
from maskery.encode.raster import png
from maskery.encode.selection import alpha_rows, id_rows, photo_rows, subject

# A Gaussian of sigma 2 at the five pixels around its centre.
RADIUS = 2
WEIGHTS = np.exp(-(np.arange(-RADIUS, RADIUS + 1, dtype=np.float32) ** 2) / 8)
WEIGHTS /= WEIGHTS.sum()
# Rounded to whole numbers, 127 and more are foreground.
LEAST = 126.5


def smoothed(alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W) uint8 -> (H, W) uint8 of 0 and 255: opened by a cross of 3 x 3, blurred over 5 x 5 pixels, decided again.

    Pixels beyond the edge are ignored by the opening and mirrored by the blur.
    """
    opened = _spread(_spread(alpha, np.minimum), np.maximum)
    around = np.pad(opened, RADIUS, mode="reflect")
    result = np.empty_like(opened)
    height, width = alpha.shape
    rows = png.band_rows(4 * width)
    for top in range(0, height, rows):
        band = around[top : top + rows + 2 * RADIUS].astype(np.float32)
        down = sum(weight * band[i : len(band) - 2 * RADIUS + i] for i, weight in enumerate(WEIGHTS))
        across = sum(weight * down[:, i : i + width] for i, weight in enumerate(WEIGHTS))
        result[top : top + rows] = np.where(across >= LEAST, np.uint8(255), np.uint8(0))
    return result


def _spread(alpha: NDArray[np.uint8], pick: np.ufunc) -> NDArray[np.uint8]:
    """Each pixel: ``pick`` of itself and its four neighbours."""
    spread = alpha.copy()
    pick(spread[1:], alpha[:-1], out=spread[1:])
    pick(spread[:-1], alpha[1:], out=spread[:-1])
    pick(spread[:, 1:], alpha[:, :-1], out=spread[:, 1:])
    pick(spread[:, :-1], alpha[:, 1:], out=spread[:, :-1])
    return spread


Rgba = tuple[int, int, int, int]
OPAQUE = 255 * 255


def over(alpha: NDArray[np.uint8], photo: NDArray[np.uint8], colour: Rgba) -> NDArray[np.uint8]:
    """(h, W) and (h, W, 3) uint8 -> (h, W, 4) uint8 RGBA.

    ``colour``: red, green, blue and how opaque it is itself, 0..255; what is wholly transparent is black.
    """
    below, opacity = np.array(colour[:3], np.uint32), np.uint32(colour[3])
    above = alpha[:, :, None].astype(np.uint32) * 255
    rest = (OPAQUE - above) // 255 * opacity
    whole = above + rest
    mixed = photo * above + below * rest
    band = np.empty((*alpha.shape, 4), np.uint8)
    band[:, :, :3] = (mixed + whole // 2) // np.maximum(whole, 1)
    band[:, :, 3:] = (whole + 127) // 255
    return band


def encode_cutout(answer: Result, photo: Photo) -> bytes:
    """PNG bytes, RGBA. ``photo``: the upright picture, (H, W, 3) uint8 RGB, of the result's size.

    Alpha is the soft mask of a foreground result; else 255 where a class or an object is and 0 on background and pixels
    of no class.
    What is wholly transparent is black: nothing of the photo is hidden there. Raises ``BadRequest`` where the model has
    no background class and no class was chosen.
    """
    result = by_class(answer)
    size = result.meta.frame.size_wh
    rows = png.band_rows(4 * size[0])
    bands = map(rgba, alpha_bands(result, rows), photo_rows(photo, rows))
    return png.photo(bands, size, channels=4, extra=png_text(result.meta))


def rgba(alpha: NDArray[np.uint8], photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, W) and (h, W, 3) -> (h, W, 4)."""
    visible = (alpha > 0).view(np.uint8)
    band = np.empty((*alpha.shape, 4), np.uint8)
    for channel in range(3):
        np.multiply(photo[:, :, channel], visible, out=band[:, :, channel])
    band[:, :, 3] = alpha
    return band


def alpha_bands(result: HasClasses, rows: int) -> Iterator[NDArray[np.uint8]]:
    """Bands (h, W) uint8: the soft mask; else 255 where a class is, 0 on background and pixels of no class.

    Raises ``BadRequest`` as ``encode_cutout`` does.
    """
    if soft := capable(result, HasAlphaRows):
        return alpha_rows(soft, rows)
    table = np.where(subject(result, "kept"), np.uint8(255), np.uint8(0))
    return (table[band] for band in id_rows(result, rows))  # np.take would widen the ids to 64 bits


CUTOUT = Encoder(
    name="cutout",
    file=PNG,
    needs=ROWS + OBJECTS,
    function=encode_cutout,
    needs_photo=True,
    held=0.3,
    shown=3.0,
)


@dataclass(frozen=True)
class Look:
    """``smooth``: the mask is post-processed (``smoothed``). ``colour``: lies behind the photo; None = nothing."""

    smooth: bool = False
    colour: Rgba | None = None


def encode_removed(result: HasClasses, photo: Photo, look: Look) -> bytes:
    """PNG bytes, RGBA. ``photo`` and errors as in ``encode_cutout``."""
    size = result.meta.frame.size_wh
    rows = png.band_rows(4 * size[0])
    paint = rgba if look.colour is None else partial(over, colour=look.colour)
    bands = map(paint, _alpha(result, rows, look), photo_rows(photo, rows))
    return png.photo(bands, size, channels=4, extra=png_text(result.meta))


def encode_removed_mask(result: HasClasses, look: Look) -> bytes:
    """PNG bytes, 8-bit grey: how opaque each pixel is. Raises ``BadRequest`` as ``encode_cutout``."""
    size = result.meta.frame.size_wh
    return png.grey_rows(_alpha(result, png.band_rows(size[0]), look), size, 8, png_text(result.meta))


def _alpha(result: HasClasses, rows: int, look: Look) -> Iterator[NDArray[np.uint8]]:
    """(rows, W) uint8 a band."""
    bands = alpha_bands(result, rows)
    if not look.smooth:
        return bands
    whole = smoothed(np.concatenate(list(bands)))
    return (whole[top : top + rows] for top in range(0, len(whole), rows))
