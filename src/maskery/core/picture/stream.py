"""A picture's pixels row by row, in memory that grows with its width and not with its height.

Pillow decodes a picture as a whole, at up to 4 bytes a pixel. libvips (extra ``huge``) reads JPEG, PNG and TIFF files
from top to bottom, and gives the same pixels. Its other loaders are blocked.

Rows come as they are stored: the EXIF orientation is not applied, for a turned picture has no upright row before its
last stored one is read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskery.core.errors import MissingExtra, UnsupportedPicture, first_line
from maskery.core.picture.decode import Picture, array_rgb, decoder_errors, flat
from maskery.core.picture.headers import check_pixels, tiff_kind
from maskery.core.picture.orientation import turned_wh

if TYPE_CHECKING:
    import pyvips

BAND_BYTES = 1 << 20
SAMPLES_AT_MOST = 1 << 29  # of a picture that is read as a whole, all bands counted
FIXED_BYTES = 12 << 20  # of libvips itself, when it is first used
COLUMN_BYTES = 7_500  # of the rows that libvips keeps, a pixel of the width

_LOADERS = {"JPEG": "jpegload_source", "MPO": "jpegload_source", "PNG": "pngload_source", "TIFF": "tiffload_source"}
_CLASSES = ("VipsForeignLoadJpeg", "VipsForeignLoadPng", "VipsForeignLoadTiff")


def stored_wh(picture: Picture) -> tuple[int, int]:
    """(width, height) in pixels before the EXIF orientation is applied."""
    return turned_wh(picture.size_wh, picture.orientation)


def is_plain_png(picture: Picture) -> bool:
    """Whether it is a PNG of 8 bits a channel, not interlaced, not turned."""
    source = picture.source
    if picture.format != "PNG" or picture.orientation != 1 or not isinstance(source, bytes):
        return False
    return source[24] == 8 and source[28] == 0


def available() -> bool:
    """Whether the extra ``huge`` is installed."""
    try:
        _vips()
    except MissingExtra:
        return False
    return True


def held_bytes(format: str, width: int) -> float:
    """What ``rows`` holds of a file that is ``width`` pixels wide, the file itself aside: libvips keeps many rows."""
    return FIXED_BYTES + width * COLUMN_BYTES if format in _LOADERS else 4 * BAND_BYTES


def rows(picture: Picture, reduce: int = 1) -> Iterator[NDArray[np.uint8]]:
    """Bands (h, W, 3) uint8 RGB of the stored picture, from top to bottom; alpha is laid over white.

    ``reduce``: 1, or 2, 4, 8 for a JPEG at that part of its size, rounded down. The header's ``why_whole`` must
    be empty. Raises ``PictureError`` where the file is damaged, ``MissingExtra`` where libvips is not there.
    """
    if not isinstance(picture.source, bytes):
        return _rows_in_memory(picture.source, picture.header.profile)
    return _rows_of_file(picture, picture.source, stored_wh(picture)[0] // reduce, reduce)


@dataclass(frozen=True)
class PhotoRows:
    """The upright picture, ``size_wh``, read from its file band by band each time."""

    picture: Picture

    @property
    def size_wh(self) -> tuple[int, int]:
        return self.picture.size_wh

    def rows(self) -> Iterator[NDArray[np.uint8]]:
        """Bands (h, W, 3) uint8 RGB, from top to bottom. Raises ``PictureError``."""
        return rows(self.picture)


# The upright picture that an answer is drawn on: (H, W, 3) uint8 RGB, or a reader of its bands.
Photo = NDArray[np.uint8] | PhotoRows


def band_rows(width: int) -> int:
    """How many rows make a band, a multiple of a JPEG's blocks."""
    return max(16, BAND_BYTES // (3 * width) // 16 * 16)


def _rows_in_memory(source: Image.Image | NDArray[np.generic], profile: bytes) -> Iterator[NDArray[np.uint8]]:
    array = source if isinstance(source, np.ndarray) else None
    height, width = array.shape[:2] if array is not None else (source.height, source.width)  # type: ignore[union-attr]
    step = band_rows(width)
    for top in range(0, height, step):
        bottom = min(top + step, height)
        if array is not None:
            yield array_rgb(array[top:bottom])
        else:
            assert isinstance(source, Image.Image)
            yield np.asarray(flat(source.crop((0, top, width, bottom)), profile))


def _rows_of_file(picture: Picture, data: bytes, width: int, reduce: int) -> Iterator[NDArray[np.uint8]]:
    vips, profile = _vips(), picture.header.profile
    with decoder_errors():
        options: dict[str, Any] = {"shrink": reduce} if reduce > 1 else {}
        source = vips.Source.new_from_memory(data)
        image = getattr(vips.Image, _LOADERS[picture.format])(source, access="sequential", fail_on="error", **options)
        if image.width != width:
            raise ValueError(f"decodes to {image.width} columns, its header says {width}")
        region = vips.Region.new(image)
    step = band_rows(image.width)
    for top in range(0, image.height, step):
        height = min(step, image.height - top)
        with decoder_errors():
            band = _rgb(region.fetch(0, top, image.width, height), image, height, profile)
        yield band


def stored_samples(data: bytes) -> NDArray[np.generic]:
    """(H, W, B) of a PNG or TIFF as it is stored, of any type and number of bands. Raises ``PictureError``,
    ``MissingExtra``.
    """
    vips = _vips()
    with decoder_errors():
        loader = "pngload_source" if data.startswith(b"\x89PNG") else "tiffload_source"
        try:
            image = getattr(vips.Image, loader)(vips.Source.new_from_memory(data), fail_on="error")
        except vips.Error as error:
            kind = tiff_kind(data) if data[:2] in (b"II", b"MM") else ""
            message = f"libvips does not read this picture{kind and f', {kind}'}: {first_line(error)}."
            raise UnsupportedPicture(message, "Save it as TIFF of uint16 or float32.") from error
        check_pixels((image.width, image.height), SAMPLES_AT_MOST // max(1, image.bands))
        values: NDArray[np.generic] = image.numpy()
    return values if values.ndim == 3 else values[..., None]


def _rgb(pixels: Any, image: "pyvips.Image", height: int, profile: bytes) -> NDArray[np.uint8]:
    """One band of libvips, as Pillow would show it, in our RGB."""
    dtype = np.dtype(np.uint16 if image.format == "ushort" else np.uint8)
    values = np.frombuffer(pixels, dtype).reshape(height, image.width, image.bands)
    if dtype == np.uint16:
        values = (values >> 8).astype(np.uint8)
    if image.bands == 3 and not profile:
        return values
    mode = "CMYK" if image.interpretation == "cmyk" else {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[image.bands]
    band = Image.fromarray(np.ascontiguousarray(values[..., 0] if image.bands == 1 else values), mode)
    return np.asarray(flat(band, profile))


@cache
def _vips() -> Any:
    """libvips, settled: one thread, no cache of operations, no other loaders. Raises ``MissingExtra``."""
    try:
        import pyvips
    except (ImportError, OSError) as error:
        cure = "Run: pip install 'maskery[huge]'"
        raise MissingExtra("Reading pictures row by row needs libvips.", cure) from error
    pyvips.concurrency_set(1)
    pyvips.cache_set_max(0)
    pyvips.block_untrusted_set(True)
    pyvips.operation_block_set("VipsForeignLoad", True)
    for name in _CLASSES:
        pyvips.operation_block_set(name, False)
    return pyvips
