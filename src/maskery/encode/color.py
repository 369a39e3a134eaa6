"""The class map in its palette's colours, as a true RGB PNG, for tools that ignore palettes."""

import numpy as np

from maskery.encode import png
from maskery.encode.mask import colour_table
from maskery.encode.provenance import png_text
from maskery.encode.rowwise import Drawn, decided, id_rows


def encode_color(result: Drawn) -> bytes:
    """PNG bytes, 8-bit RGB; black where no class is."""
    ids, size = decided(result), result.frame.size_wh
    table = colour_table(ids)
    coloured = (np.take(table, band, axis=0) for band in id_rows(ids, png.band_rows(size[0])))
    return png.flat_colours(coloured, size, png_text(result))
