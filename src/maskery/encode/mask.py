"""The class map as a PNG whose pixel value is the class id: 8-bit with palette, or 16-bit grey above 255 classes."""

import numpy as np
from numpy.typing import NDArray

from maskery.encode import png
from maskery.encode.provenance import png_text
from maskery.encode.rowwise import Decided, Drawn, decided, id_rows
from maskery.result import ForegroundResult, SemanticResult


def encode_mask(result: Drawn) -> bytes:
    """PNG bytes. Pixel value = class id; 255 (65535 in 16 bits) = no class, black in the palette."""
    ids = decided(result)
    size, depth = result.frame.size_wh, ids.unlabelled.bit_length()
    rows = id_rows(ids, png.band_rows(size[0] * depth // 8))
    if depth == 16:
        return png.grey_rows(rows, size, 16, png_text(result))
    return png.indexed_rows(rows, size, colour_table(ids), png_text(result))


def encode_mask16(result: Drawn) -> bytes:
    """PNG bytes, 16-bit grey whatever the number of classes. Pixel value = class id; 65535 = no class."""
    ids = decided(result)
    table = np.arange(ids.unlabelled + 1, dtype=np.uint16)
    table[ids.unlabelled] = 65535
    rows = (table[band] for band in id_rows(ids, png.band_rows(2 * result.frame.size_wh[0])))
    return png.grey_rows(rows, result.frame.size_wh, 16, png_text(result))


def as_semantic(result: SemanticResult | ForegroundResult) -> SemanticResult:
    """The result as a class map; of a soft mask, its hard decision."""
    return result.as_semantic if isinstance(result, ForegroundResult) else result


def colour_table(result: Decided) -> NDArray[np.uint8]:
    """(256 or 65536, 3) uint8 RGB: the colour of every id; black where an id has no label."""
    table = np.zeros((result.unlabelled + 1, 3), np.uint8)
    table[: len(result.palette)] = result.palette
    return table
