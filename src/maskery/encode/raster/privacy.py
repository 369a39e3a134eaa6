"""The photo with classes made unrecognisable: blurred, pixelated or filled with one colour.

Blurring and pixelating keep nothing but the mean colours of square blocks; the blur draws them without steps. At the
default strength the longer side of the picture has ``BLOCKS`` of them, so a person who fills the picture comes down to
a hundred colours. Filling keeps nothing at all. What the model did not find stays visible.
"""

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from maskery.core.arrays import Pixels
from maskery.core.result.capabilities import HasClassMap, Result
from maskery.encode.format import JPEG, MASKS, OBJECTS, PNG, Encoder
from maskery.encode.object_facts import class_map_of
from maskery.encode.options import Options
from maskery.encode.provenance import png_text
from maskery.encode.raster import jpeg, png
from maskery.encode.selection import subject

BLOCKS = 12
BLOCK_AT_LEAST = 8  # pixels, of the default

# (top, bottom) -> what stands in the place of the classes in these rows, (bottom - top, W, 3), or one colour, (3,).
Filling = Callable[[int, int], Pixels]
Writer = Callable[[Result, Pixels, Options], bytes]


def encode_blur(result: Result, photo: Pixels, options: Options) -> bytes:
    """PNG bytes, RGB. ``photo``: the upright picture, (H, W, 3) uint8 RGB, of the result's size.

    Changed are the chosen classes, or every class but background where none was chosen, or every object;
    with ``options.outside`` all the rest instead. Raises ``BadRequest`` where the model has no background and no class
    was chosen.
    """
    return _png(class_map_of(result), photo, blurred(photo, options), options)


def encode_blur_jpeg(result: Result, photo: Pixels, options: Options) -> bytes:
    """The same as JPEG bytes."""
    return jpeg.photo(_bands(class_map_of(result), photo, blurred(photo, options), options))


def encode_pixelate(result: Result, photo: Pixels, options: Options) -> bytes:
    """As ``encode_blur``, with square blocks of one colour."""
    return _png(class_map_of(result), photo, pixelated(photo, options), options)


def encode_pixelate_jpeg(result: Result, photo: Pixels, options: Options) -> bytes:
    """The same as JPEG bytes."""
    return jpeg.photo(_bands(class_map_of(result), photo, pixelated(photo, options), options))


def encode_replace(result: Result, photo: Pixels, options: Options) -> bytes:
    """As ``encode_blur``, with ``options.color``."""
    return _png(class_map_of(result), photo, filled(options), options)


def encode_replace_jpeg(result: Result, photo: Pixels, options: Options) -> bytes:
    """The same as JPEG bytes."""
    return jpeg.photo(_bands(class_map_of(result), photo, filled(options), options))


def blurred(photo: Pixels, options: Options) -> Filling:
    """The means of blocks, drawn without steps between them."""
    side = block_side(photo, options)
    means, width = Image.fromarray(block_means(photo, side)), photo.shape[1]

    def rows(top: int, bottom: int) -> Pixels:
        box = (0, top / side, width / side, bottom / side)
        return np.asarray(means.resize((width, bottom - top), Image.Resampling.BILINEAR, box))

    return rows


def pixelated(photo: Pixels, options: Options) -> Filling:
    """The means of blocks as they are."""
    side = block_side(photo, options)
    means = block_means(photo, side)
    columns = np.arange(photo.shape[1]) // side

    def rows(top: int, bottom: int) -> Pixels:
        return means[np.arange(top, bottom) // side][:, columns]

    return rows


def filled(options: Options) -> Filling:
    """One colour."""
    colour = np.array(options.color, np.uint8)
    return lambda top, bottom: colour


def block_side(photo: Pixels, options: Options) -> int:
    """Pixels of a block's side: ``options.strength``, or what gives ``BLOCKS`` along the longer side."""
    return options.strength or max(BLOCK_AT_LEAST, -(-max(photo.shape[:2]) // BLOCKS))


def block_means(photo: Pixels, side: int) -> Pixels:
    """(ceil(H / side), ceil(W / side), 3): the mean colour of each block; those at the edge may be smaller."""
    rows = side * max(1, png.band_rows(photo[0].nbytes) // side)
    parts = [Image.fromarray(photo[top : top + rows]).reduce(side) for top in range(0, len(photo), rows)]
    return np.concatenate([np.asarray(part) for part in parts])


def _png(result: HasClassMap, photo: Pixels, filling: Filling, options: Options) -> bytes:
    bands = _bands(result, photo, filling, options)
    return png.photo(bands, result.meta.frame.size_wh, channels=3, extra=png_text(result.meta))


def _bands(result: HasClassMap, photo: Pixels, filling: Filling, options: Options) -> Iterator[Pixels]:
    """Bands (h, W, 3) from top to bottom."""
    changed = subject(result, "changed") ^ options.outside
    rows = png.band_rows(photo[0].nbytes)
    for top in range(0, len(photo), rows):
        band = photo[top : top + rows]
        where = changed[result.class_map[top : top + rows]]
        yield np.where(where[:, :, None], filling(top, top + len(band)), band) if where.any() else band


def _encoder(name: str, png_function: Writer, jpeg_function: Writer, *options: str) -> tuple[Encoder, Encoder]:
    """The format as PNG and as JPEG."""
    known = frozenset({*options, "outside"})
    return (
        Encoder(
            name=name,
            file=PNG,
            needs=MASKS + OBJECTS,
            function=png_function,
            needs_photo=True,
            options=known,
            held=0.3,
            shown=3.0,
        ),
        Encoder(
            name=f"{name}-jpeg",
            file=JPEG,
            needs=MASKS + OBJECTS,
            function=jpeg_function,
            needs_photo=True,
            options=known,
            held=6.5,
        ),
    )


BLUR, BLUR_JPEG = _encoder("blur", encode_blur, encode_blur_jpeg, "strength")
PIXELATE, PIXELATE_JPEG = _encoder("pixelate", encode_pixelate, encode_pixelate_jpeg, "strength")
REPLACE, REPLACE_JPEG = _encoder("replace", encode_replace, encode_replace_jpeg, "color")
