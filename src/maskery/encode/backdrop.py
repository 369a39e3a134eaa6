"""A cut-out photo laid over one colour."""

import numpy as np
from numpy.typing import NDArray

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
