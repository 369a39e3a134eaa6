"""Class maps as PNG: ids with a palette, the palette's colours as RGB, or one black and white PNG a class."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskery.core.result.types import ForegroundResult, SemanticResult
from maskery.encode.provenance import png_text
from maskery.encode.raster import png
from maskery.encode.selection import Decided, Drawn, decided, id_rows


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


def encode_color(result: Drawn) -> bytes:
    """PNG bytes, 8-bit RGB; black where no class is."""
    ids, size = decided(result), result.frame.size_wh
    table = colour_table(ids)
    coloured = (np.take(table, band, axis=0) for band in id_rows(ids, png.band_rows(size[0])))
    return png.flat_colours(coloured, size, png_text(result))


@dataclass(frozen=True)
class ClassMask:
    """``png``: 8-bit grey, 255 where the class is, else 0. ``score``: a probability, None of a class map."""

    label: str
    png: bytes
    score: float | None


def class_masks(result: SemanticResult | ForegroundResult, threshold: float = 0.5) -> Iterator[ClassMask]:
    """Of a class map every class, by id; of a soft mask the foreground, from the probability ``threshold`` on.

    The foreground's score is its mean probability there; where it is nowhere, there is no mask. ``threshold`` says
    nothing of a class map, whose pixels are decided.
    """
    if isinstance(result, ForegroundResult):
        chosen = result.alpha >= round(threshold * 255)
        if chosen.any():
            score = float(result.alpha.mean(where=chosen)) / 255
            yield ClassMask(result.labels[1], _png(chosen, result), score)
        return
    for item in sorted(result.classes, key=lambda item: item.id):
        yield ClassMask(item.name, _png(result.class_map == item.id, result), None)


def _png(chosen: NDArray[np.bool_], result: SemanticResult | ForegroundResult) -> bytes:
    return png.grey(chosen.view(np.uint8) * np.uint8(255), png_text(result))
