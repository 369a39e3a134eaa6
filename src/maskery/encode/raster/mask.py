"""Class maps as PNG: ids with a palette, the palette's colours as RGB, or one black and white PNG a class."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskery.core.result.capabilities import HasAlpha, HasClasses, HasClassMap, HasInstances, Result, capable
from maskery.core.result.instances import painted
from maskery.core.result.meta import Meta
from maskery.encode.format import OBJECTS, PNG, ROWS, Encoder
from maskery.encode.object_facts import by_class
from maskery.encode.provenance import png_text
from maskery.encode.raster import png
from maskery.encode.selection import id_rows


def encode_mask(answer: Result) -> bytes:
    """PNG bytes. Pixel value = class id; 255 (65535 in 16 bits) = no class, black in the palette."""
    result = by_class(answer)
    size, depth = result.meta.frame.size_wh, result.unlabelled.bit_length()
    rows = id_rows(result, png.band_rows(size[0] * depth // 8))
    if depth == 16:
        return png.grey_rows(rows, size, 16, png_text(result.meta))
    return png.indexed_rows(rows, size, colour_table(result), png_text(result.meta))


def encode_mask16(answer: Result) -> bytes:
    """PNG bytes, 16-bit grey whatever the number of classes. Pixel value = class id; 65535 = no class."""
    result = by_class(answer)
    table = np.arange(result.unlabelled + 1, dtype=np.uint16)
    table[result.unlabelled] = 65535
    rows = (table[band] for band in id_rows(result, png.band_rows(2 * result.meta.frame.size_wh[0])))
    return png.grey_rows(rows, result.meta.frame.size_wh, 16, png_text(result.meta))


def colour_table(result: HasClasses) -> NDArray[np.uint8]:
    """(256 or 65536, 3) uint8 RGB: the colour of every id; black where an id has no label."""
    table = np.zeros((result.unlabelled + 1, 3), np.uint8)
    table[: len(result.meta.palette)] = result.meta.palette
    return table


def encode_color(answer: Result) -> bytes:
    """PNG bytes, 8-bit RGB; black where no class is."""
    result = by_class(answer)
    size = result.meta.frame.size_wh
    table = colour_table(result)
    coloured = (np.take(table, band, axis=0) for band in id_rows(result, png.band_rows(size[0])))
    return png.flat_colours(coloured, size, png_text(result.meta))


@dataclass(frozen=True)
class ClassMask:
    """``png``: 8-bit grey, 255 where the class is, else 0. ``score``: a probability, None of a class map."""

    label: str
    png: bytes
    score: float | None


def class_masks(result: HasClassMap, threshold: float = 0.5) -> Iterator[ClassMask]:
    """Of a class map every class, by id; of a soft mask the foreground, from the probability ``threshold`` on.

    The foreground's score is its mean probability there; where it is nowhere, there is no mask. ``threshold`` says
    nothing of a class map, whose pixels are decided.
    """
    if soft := capable(result, HasAlpha):
        chosen = soft.alpha >= round(threshold * 255)
        if chosen.any():
            score = float(soft.alpha.mean(where=chosen)) / 255
            yield ClassMask(result.meta.labels[1], _png(chosen, result.meta), score)
        return
    for item in sorted(result.classes, key=lambda item: item.id):
        yield ClassMask(item.name, _png(result.class_map == item.id, result.meta), None)


def object_masks(result: HasInstances, least: float, share: float | None) -> Iterator[ClassMask]:
    """A mask an object, surest first, of those with a score of ``least`` or more; without a mask, its box.

    ``share``: with it no pixel is in two masks, the surest has it, and an object of which less than this share of its
    pixels is left has none; None = masks may overlap. Not more than some planes are held at once.
    """
    size, labels = result.meta.frame.size_wh, result.meta.labels
    taken = np.zeros(size[::-1], np.bool_)
    for one in result.instances:
        if one.score < least:
            continue
        chosen = painted([one], size) > 0
        if share is not None:
            whole = int(np.count_nonzero(chosen))
            chosen &= ~taken
            if np.count_nonzero(chosen) < max(1, share * whole):
                continue
            taken |= chosen
        yield ClassMask(labels[one.class_id], _png(chosen, result.meta), round(one.score, 6))


def _png(chosen: NDArray[np.bool_], meta: Meta) -> bytes:
    return png.grey(chosen.view(np.uint8) * np.uint8(255), png_text(meta))


MASK = Encoder(name="mask", file=PNG, needs=ROWS + OBJECTS, function=encode_mask, held=0.1)
MASK16 = Encoder(name="mask16", file=PNG, needs=ROWS + OBJECTS, function=encode_mask16, held=0.1)
COLOR = Encoder(name="color", file=PNG, needs=ROWS + OBJECTS, function=encode_color, held=0.2)
