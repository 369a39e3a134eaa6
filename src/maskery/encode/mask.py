"""The class map as a PNG whose pixel value is the class id: 8-bit with palette, or 16-bit grey above 255 classes."""

import numpy as np
from numpy.typing import NDArray

from maskery.encode import png
from maskery.encode.provenance import png_text
from maskery.result import ForegroundResult, SemanticResult


def encode_mask(result: SemanticResult | ForegroundResult) -> bytes:
    """PNG bytes. Pixel value = class id; 255 (65535 in 16 bits) = no class, black in the palette."""
    semantic = as_semantic(result)
    if semantic.class_map.dtype == np.uint16:
        return png.grey(semantic.class_map, png_text(result))
    return png.indexed(semantic.class_map.astype(np.uint8, copy=False), colour_table(semantic), png_text(result))


def encode_mask16(result: SemanticResult | ForegroundResult) -> bytes:
    """PNG bytes, 16-bit grey whatever the number of classes. Pixel value = class id; 65535 = no class."""
    semantic = as_semantic(result)
    ids = semantic.class_map
    if ids.dtype == np.uint8:
        ids = ids.astype(np.uint16)
        ids[semantic.class_map == semantic.unlabelled] = 65535
    return png.grey(ids, png_text(result))


def as_semantic(result: SemanticResult | ForegroundResult) -> SemanticResult:
    """The result as a class map; of a soft mask, its hard decision."""
    return result.as_semantic if isinstance(result, ForegroundResult) else result


def colour_table(result: SemanticResult) -> NDArray[np.uint8]:
    """(256 or 65536, 3) uint8 RGB: the colour of every id; black where an id has no label."""
    table = np.zeros((result.unlabelled + 1, 3), np.uint8)
    table[: len(result.palette)] = result.palette
    return table
