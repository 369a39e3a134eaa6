"""Every object cut out for itself: a zip of RGBA pictures, each of the size of its object."""

import io
import zipfile
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from maskery.core.result.capabilities import HasInstances
from maskery.core.result.instances import Instance
from maskery.encode.format import OBJECTS, Encoder, FileType
from maskery.encode.provenance import png_text
from maskery.encode.raster import png
from maskery.encode.raster.cutout import rgba

UNSAFE = str.maketrans(dict.fromkeys('\\/:*?"<>| \t\r\n', "-"))
"""What file systems refuse, or take for a folder."""


def encode_cutouts(result: HasInstances, photo: NDArray[np.uint8]) -> bytes:
    """Zip bytes: ``001-dog.png`` and so on, surest first; RGBA, transparent around the object, black below that.

    An object without a mask is its box; one without a pixel has no picture. ``photo``: the upright picture, (H, W, 3)
    uint8 RGB, of the result's size. One object is unpacked at a time.
    """
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for one in result.instances:
            alpha, (left, top) = _alpha(one, result.meta.frame.size_wh)
            if alpha.size:
                part = photo[top : top + len(alpha), left : left + alpha.shape[1]]
                size = (alpha.shape[1], len(alpha))
                picture = png.photo(_bands(alpha, part), size, channels=4, extra=png_text(result.meta))
                archive.writestr(zipfile.ZipInfo(_name(one, result.meta.labels[one.class_id])), picture)
    return file.getvalue()


def _name(one: Instance, label: str) -> str:
    """Without the time: the same result, the same bytes."""
    return f"{one.id:03d}-{label.translate(UNSAFE)}.png"


def _alpha(one: Instance, size_wh: tuple[int, int]) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """(h, w) uint8 of 0 and 255, and its left upper corner."""
    if one.mask:
        return one.mask.decoded().view(np.uint8) * np.uint8(255), one.mask.left_top
    edges = np.rint(one.box_xyxy).astype(np.int64)
    left, top, right, bottom = np.clip(edges, 0, [*size_wh, *size_wh]).tolist()
    return np.full((max(0, bottom - top), max(0, right - left)), 255, np.uint8), (left, top)


def _bands(alpha: NDArray[np.uint8], part: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    rows = png.band_rows(4 * alpha.shape[1])
    for top in range(0, len(alpha), rows):
        yield rgba(alpha[top : top + rows], part[top : top + rows])


CUTOUTS = Encoder(
    name="cutouts",
    file=FileType("application/zip", ".zip"),
    needs=OBJECTS,
    function=encode_cutouts,
    needs_photo=True,
    held=5.0,
)
