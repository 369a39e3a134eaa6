"""The photo without its background, as background removers give it: cut out or over a colour, and the mask alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from maskery.encode import png
from maskery.encode.backdrop import Rgba, over
from maskery.encode.cutout import alpha_bands, rgba
from maskery.encode.provenance import png_text
from maskery.encode.rowwise import Drawn, photo_rows
from maskery.encode.smooth import smoothed
from maskery.engine.source import Photo


@dataclass(frozen=True)
class Look:
    """``smooth``: the mask is post-processed (``smoothed``). ``colour``: lies behind the photo; None = nothing."""

    smooth: bool = False
    colour: Rgba | None = None


def encode_removed(result: Drawn, photo: Photo, look: Look) -> bytes:
    """PNG bytes, RGBA. ``photo`` and errors as in ``encode_cutout``."""
    size = result.frame.size_wh
    rows = png.band_rows(4 * size[0])
    paint = rgba if look.colour is None else partial(over, colour=look.colour)
    bands = map(paint, _alpha(result, rows, look), photo_rows(photo, rows))
    return png.photo(bands, size, channels=4, extra=png_text(result))


def encode_removed_mask(result: Drawn, look: Look) -> bytes:
    """PNG bytes, 8-bit grey: how opaque each pixel is. Raises ``BadRequest`` as ``encode_cutout``."""
    size = result.frame.size_wh
    return png.grey_rows(_alpha(result, png.band_rows(size[0]), look), size, 8, png_text(result))


def _alpha(result: Drawn, rows: int, look: Look) -> Iterator[NDArray[np.uint8]]:
    """(rows, W) uint8 a band."""
    bands = alpha_bands(result, rows)
    if not look.smooth:
        return bands
    whole = smoothed(np.concatenate(list(bands)))
    return (whole[top : top + rows] for top in range(0, len(whole), rows))
