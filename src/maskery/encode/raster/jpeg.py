"""A JPEG of a photo, without any metadata."""

import io
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

QUALITY = 90


def photo(pixels: Iterable[NDArray[np.uint8]]) -> bytes:
    """Bands (h, W, 3) uint8 RGB, from top to bottom -> JPEG bytes."""
    file = io.BytesIO()
    Image.fromarray(np.concatenate(list(pixels))).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
