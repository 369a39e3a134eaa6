"""The class map in its palette's colours, as a true RGB PNG, for tools that ignore palettes."""

import numpy as np

from maskery.encode import png
from maskery.encode.mask import as_semantic, colour_table
from maskery.encode.provenance import png_text
from maskery.result import ForegroundResult, SemanticResult


def encode_color(result: SemanticResult | ForegroundResult) -> bytes:
    """PNG bytes, 8-bit RGB; black where no class is."""
    semantic = as_semantic(result)
    table = colour_table(semantic)
    coloured = (np.take(table, band, axis=0) for band in png.bands(semantic.class_map))
    return png.flat_colours(coloured, semantic.frame.size_wh, png_text(result))
