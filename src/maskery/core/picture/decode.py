"""Bytes, path, PIL image or array -> ``Picture`` -> upright RGB (H, W, 3) uint8; what is wrong is an ``InputError``.

Traps that this file is there for:

- Pillow lets nearly every exception escape from damaged files, so any ``Exception`` of a decoder is a ``PictureError``.
- Opening a file must not decode it. Pillow's PNG ``getexif`` does; its GIF and WebP readers allocate when they open;
  millions of tiny blocks keep its Python loops busy for half a minute. ``check_structure`` therefore looks first.
- Pillow turns TIFF pixels upright itself, on load; every other format is turned here. AVIF's own rotation (irot, imir)
  reaches us as an EXIF orientation.
- ``draft`` rounds up: a JPEG of 101 pixels is 51 wide at half scale.
- 16-bit pictures keep their high byte (``value >> 8``), for that is what Pillow does to 16-bit RGB.
- Pillow 13 bounds what EXIF and TIFF tags may allocate; Pillow 12 does not.
"""

import io
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from maskery.core.arrays import Array
from maskery.core.errors import (
    BadRequest,
    MaskeryError,
    PictureError,
    TooLarge,
    UnsupportedPicture,
    first_line,
)
from maskery.core.picture import colour
from maskery.core.picture.headers import (
    NO_HEADER,
    SAVE_AGAIN,
    Header,
    check_pixels,
    check_structure,
    lacks_end,
    png_chunk,
    read_header,
    tiff_kind,
)
from maskery.core.picture.orientation import turned_wh

FILES = (bytes, bytearray, memoryview, str, os.PathLike)


class Readable(Protocol):
    """An open file, or what is read like one."""

    def read(self, size: int = ..., /) -> bytes: ...


class ArrayLike(Protocol):
    """What numpy can take as an array: a tensor on the CPU, say."""

    def __array__(self) -> NDArray[Any]: ...


Source = (
    bytes
    | bytearray
    | memoryview
    | str
    | os.PathLike[str]
    | Image.Image
    | np.ndarray
    | Readable
    | ArrayLike
    | list[Any]
)
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000")  # Pillow's JPEG reader opens MPO too
BAND_PIXELS = 1 << 19
TILE_PIXELS_AT_MOST = 4096 * 4096  # of a TIFF smaller than that

_ACCEPTED = "JPEG, PNG, WebP, GIF, BMP, TIFF and AVIF are read."
_EIGHT_BITS = "Scale it to 0..255 and save it with 8 bits a channel."
_OTHER_KINDS = (  # first bytes (lower case, white space removed), what it is, the cure
    (b"%pdf", "a PDF", "Export the page as PNG or JPEG."),
    (b"<svg", "an SVG drawing", "Export it as PNG."),
    (b"<?xml", "XML, perhaps an SVG drawing", "Export it as PNG."),
    (b"<!doctype", "an HTML page", "Fetch the picture itself, not the page that shows it."),
    (b"<html", "an HTML page", "Fetch the picture itself, not the page that shows it."),
    (b"{", "JSON", "Send the bytes of the picture, or decode the base64 text first."),
    (b"data:", "a data URL", "Decode the base64 text after the comma first."),
    (b"pk\x03\x04", "a zip archive", "Unpack it and send one picture at a time."),
    (b"\x1f\x8b", "gzip data", "Unpack it first."),
    (b"8bps", "a Photoshop file", "Export it as PNG."),
)
_TURNS = {  # EXIF orientation -> how Pillow turns a picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture whose header was read and accepted; its pixels are decoded by ``rgb``, anew at each call. It pickles.

    Attributes:
        size_wh: (width, height) in pixels, upright.
        orientation: The EXIF tag 1..8 that ``rgb`` applies, 1 = none.
        format: "JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PIL" or "array".
        source: What it was opened from: the bytes of a file, a PIL image or an array. Not to be changed.
        header: What the file's header says of the pixels.
    """

    size_wh: tuple[int, int]
    orientation: int
    format: str
    source: bytes | Image.Image | Array = field(repr=False, compare=False)
    header: Header = NO_HEADER

    def rgb(self, at_least_wh: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """The upright picture, (H, W, 3) uint8, C-contiguous, RGB; alpha is laid over white.

        ``at_least_wh``: a (width, height) that is enough. A JPEG may then come at 1/2, 1/4 or 1/8 of its size, never
        smaller than this in either axis (nor than ``size_wh``, where that is smaller). Other formats come whole.
        Raises ``PictureError`` where the file is damaged, ``TooLarge`` where memory does not suffice.
        """
        with decoder_errors():
            pixels = self.pixels(at_least_wh)
            return pixels if isinstance(pixels, np.ndarray) else _upright_rgb(pixels, 1, b"")

    def pixels(self, at_least_wh: tuple[int, int] | None = None) -> NDArray[np.uint8] | Image.Image:
        """What ``rgb`` gives, or Pillow's image of it (mode RGB, not to be written to) where that saves a copy."""
        with decoder_errors():
            if isinstance(self.source, np.ndarray):
                return array_rgb(self.source)
            if isinstance(self.source, Image.Image):
                return _upright(self.source, self.orientation, self.header.profile)
            try:
                with open_lazily(self.source) as image:
                    return self._decode(image, at_least_wh)
            except OSError:
                completed = _completed(self.source) if self.format in ("JPEG", "MPO") else None
                if completed is None:
                    raise
                with open_lazily(completed) as image:
                    return self._decode(image, at_least_wh)

    def _decode(self, image: Image.Image, at_least_wh: tuple[int, int] | None) -> NDArray[np.uint8] | Image.Image:
        swapped = self.orientation >= 5
        expected = self.size_wh[::-1] if swapped and self.format != "TIFF" else self.size_wh
        if at_least_wh and self.format in ("JPEG", "MPO"):
            wanted = at_least_wh[::-1] if swapped else at_least_wh
            image.draft(None, (max(1, wanted[0]), max(1, wanted[1])))
            expected = image.size
        image.load()
        if image.size != expected:
            raise PictureError(f"The picture decodes to {image.size}, its header says {expected}.", SAVE_AGAIN)
        return _upright(image, 1 if self.format == "TIFF" else self.orientation, self.header.profile)


def open_picture(source: Source, *, max_bytes: int, max_pixels: int) -> Picture:
    """Read the header of ``source``: the bytes of a file, its path, the open file, a PIL image or an array.

    An array (a tensor, nested lists of 0 to 255) is (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA of bool, uint8
    or uint16. A PIL image is loaded, but neither changed nor closed. ``max_bytes`` limits files, ``max_pixels`` limits
    width times height, before decoding.
    Raises ``TooLarge``, ``UnsupportedPicture``, ``PictureError``; ``BadRequest`` for a path that cannot be read or an
    array that is no picture.
    """
    if isinstance(source, Image.Image):
        return _from_pil(source, max_pixels)
    if not isinstance(source, FILES) and not hasattr(source, "read"):
        return _from_array(_as_array(source), max_pixels)
    data = _read(source, max_bytes)
    with decoder_errors():
        check_structure(data, max_pixels)
        with open_lazily(data) as image:
            check_pixels(image.size, max_pixels)
            _check_mode(image)
            _check_tiles(image)
            orientation, size_wh, kind = _orientation(image, data), image.size, image.format or ""
            header = read_header(image, data)
    lies = orientation >= 5 and kind != "TIFF"
    upright_wh = size_wh[::-1] if lies else size_wh
    return Picture(size_wh=upright_wh, orientation=orientation, format=kind, source=data, header=header)


def trust_own_pixel_limit() -> None:
    """Switch off Pillow's own pixel limit, process-wide, so that only ``max_pixels`` counts. For owners of a process.

    Its warnings go too: a hostile TIFF prints thousands, and what matters in them is an error here.
    """
    Image.MAX_IMAGE_PIXELS = None
    warnings.filterwarnings("ignore", module=r"PIL\.")


@contextmanager
def decoder_errors() -> Iterator[None]:
    """Whatever a decoder raises -> the error tree. Not only OSError: zlib, struct, index, value, syntax errors ..."""
    try:
        yield
    except MaskeryError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        cure = "Send a smaller picture, or call maskery.core.picture.decode.trust_own_pixel_limit() first."
        raise TooLarge(f"The picture is beyond Pillow's own limit: {error}", cure) from error
    except MemoryError as error:
        raise TooLarge("The picture does not fit into memory.", "Send a smaller picture.") from error
    except Exception as error:
        raise PictureError(
            f"The picture is damaged or cut off ({type(error).__name__}: {error}).", SAVE_AGAIN
        ) from error


def _read(source: Any, max_bytes: int) -> bytes:
    """The bytes of a file or a buffer, at most ``max_bytes``."""
    if hasattr(source, "read"):
        try:
            source = source.read(max_bytes + 1)
        except (OSError, ValueError) as error:  # closed, or open for writing
            raise BadRequest(f"The file cannot be read: {error}.", "Open it for reading, in binary mode.") from error
        if isinstance(source, str):
            raise BadRequest("The file is open as text.", "Open it in binary mode, open(path, 'rb').")
    if isinstance(source, bytes | bytearray | memoryview):
        _check_bytes(memoryview(source).nbytes, max_bytes)
        return bytes(source)
    path = Path(source)
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            expected = max_bytes  # of a pipe; read() allocates what it is asked for, hence not more than needed
            if stat.S_ISREG(status.st_mode):
                _check_bytes(status.st_size, max_bytes)
                expected = status.st_size
            data = file.read(expected + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadRequest(f"{path} cannot be read: {reason}.", "Give the path of a picture file.") from error
    _check_bytes(len(data), max_bytes)
    return data


def _check_bytes(count: int, max_bytes: int) -> None:
    if count > max_bytes:
        cure = "Send a smaller file, or raise max_bytes (MASKERY_MAX_BYTES)."
        raise TooLarge(f"The picture has {count:,} bytes or more, the limit is {max_bytes:,}.", cure)


def open_lazily(data: bytes) -> Image.Image:
    """Pillow's lazy image. Raises ``UnsupportedPicture`` for bytes that are none of ``FORMATS``, and no HEIC that the
    extra ``heic`` reads.
    """
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except KeyError as error:  # Pillow's, for a compression of TIFF that it does not know
        raise _unsupported_tiff(data) from error
    except UnidentifiedImageError as error:
        if data[4:8] == b"ftyp" and data[8:12] in HEIF_BRANDS and _reads_heif():
            with suppress(UnidentifiedImageError):
                return Image.open(io.BytesIO(data), formats=("HEIF",))
        if data.startswith(TIFF_STARTS) and tiff_kind(data):
            raise _unsupported_tiff(data) from error
        if not data:
            raise PictureError("The picture is empty: 0 bytes.", "Send the bytes of a picture file.") from error
        if _looks_accepted(data):
            raise PictureError("The header of the picture is damaged or cut off.", SAVE_AGAIN) from error
        raise _unsupported(data) from error


HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
TIFF_STARTS = (b"II*\0", b"MM\0*")


@cache
def _reads_heif() -> bool:
    """Whether the extra ``heic`` is installed; from now on Pillow opens such files then."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener(thumbnails=False)
    return True


def _completed(data: bytes) -> bytes | None:
    """A JPEG without its end marker with one, where all of its pixels are there; else None.

    A decoder fills up what is missing and says nothing, so other data before the marker must change nothing either.
    """
    if not lacks_end(data):
        return None
    data = data.removesuffix(b"\xff")  # half of the marker
    with_end = [data + more + b"\xff\xd9" for more in (b"", b"\x55" * 64, b"\xaa\x13" * 32)]
    decoded = [np.asarray(Image.open(io.BytesIO(one), formats=("JPEG",))) for one in with_end]
    return with_end[0] if all(np.array_equal(decoded[0], other) for other in decoded[1:]) else None


def _unsupported_tiff(data: bytes) -> UnsupportedPicture:
    kind = tiff_kind(data) or "of a kind that is not known"
    cure = "Read some of its bands by --bands 3,2,1 (bands=, extra huge), or save three of them with 8 bits each."
    return UnsupportedPicture(f"The TIFF is {kind}, which is not read.", cure)


def _looks_accepted(data: bytes) -> bool:
    starts = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    return data.startswith(starts) or data[8:12] == b"WEBP" or data[4:12] in (b"ftypavif", b"ftypavis")


def _unsupported(data: bytes) -> UnsupportedPicture:
    if data[4:8] == b"ftyp":
        cure = "Save it as JPEG (iPhone: Settings, Camera, Formats, Most Compatible), or install maskery[heic]."
        return UnsupportedPicture("This seems to be HEIC, another HEIF picture or a video.", f"{cure} {_ACCEPTED}")
    start = data[:256].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for prefix, kind, cure in _OTHER_KINDS:
        if start.startswith(prefix):
            return UnsupportedPicture(
                f"This is no picture that can be read; it seems to be {kind}.", f"{cure} {_ACCEPTED}"
            )
    return UnsupportedPicture("The bytes are no picture of a known kind.", _ACCEPTED)


def _check_mode(image: Image.Image) -> None:
    """Refuse pixels that have no known white: integers and floats of 32 bits, and rare 16-bit TIFFs."""
    if image.mode in ("I", "F"):
        kind = "32-bit float" if image.mode == "F" else "signed or 32-bit integer"
        raise UnsupportedPicture(f"The picture has {kind} pixels, whose range is unknown.", _EIGHT_BITS)
    tags = getattr(image, "tag_v2", {})
    bits, white_is_zero = tags.get(ExifTags.Base.BitsPerSample), tags.get(262) == 0
    if image.mode.startswith("I;16") and tags and (bits != (16,) or white_is_zero):
        raise UnsupportedPicture(f"The TIFF is grey of {bits} bits, inverted: {white_is_zero}.", _EIGHT_BITS)


def _check_tiles(image: Image.Image) -> None:
    """Refuse a TIFF whose tiles are far larger than the picture: the decoder allocates a whole one."""
    tags = getattr(image, "tag_v2", {})
    tile = int(tags.get(322, 0)) * int(tags.get(323, 0))
    if tile > max(TILE_PIXELS_AT_MOST, image.width * image.height):
        raise PictureError(f"The TIFF has tiles of {tile:,} pixels, more than the picture itself.", SAVE_AGAIN)


def _orientation(image: Image.Image, data: bytes) -> int:
    """The EXIF orientation, 1..8. A broken EXIF block says nothing about the pixels: upright."""
    if image.format == "PNG" and "exif" not in image.info:
        late = png_chunk(data, b"eXIf")
        if late is not None:
            image.info["exif"] = late
    try:
        # Not image.getexif(): PNG's decodes the whole picture to look for a late chunk.
        tag = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except Exception:
        return 1
    return tag if isinstance(tag, int) and 1 <= tag <= 8 else 1


def _from_pil(image: Image.Image, max_pixels: int) -> Picture:
    with decoder_errors():
        check_pixels(image.size, max_pixels)
        _check_mode(image)
        image.load()  # here, so that threads that share the Picture only read; a TIFF turns itself upright by this
        orientation = _orientation(image, b"")
    header = Header(profile=colour.moving(image.info.get("icc_profile")))
    size_wh = turned_wh(image.size, orientation)
    return Picture(size_wh=size_wh, orientation=orientation, format="PIL", source=image, header=header)


def _as_array(source: object) -> NDArray[np.generic]:
    """Raises ``BadRequest`` for what numpy cannot take."""
    if isinstance(source, np.ndarray):
        return source
    cure = "Give a path, bytes, an open file, a PIL image, or an array (H, W, 3) of uint8."
    if not isinstance(source, list | tuple) and not hasattr(source, "__array__"):
        raise BadRequest(f"A picture cannot be {type(source).__name__}.", cure)
    try:
        array = np.asarray(source)
    except (TypeError, ValueError, RuntimeError) as error:  # lists of unequal lengths, a tensor on a GPU
        raise BadRequest(f"The {type(source).__name__} is no array: {first_line(error)}.", cure) from error
    small = isinstance(source, list | tuple) and array.dtype.kind == "i" and array.size and array.min() >= 0
    return array.astype(np.uint8) if small and array.max() <= 255 else array


def _from_array(array: NDArray[np.generic], max_pixels: int) -> Picture:
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype not in (np.bool_, np.uint8, np.uint16):
        cure = "Scale it to 0..255 and convert it: (255 * array).round().astype(np.uint8), if it is 0..1."
        raise BadRequest(f"The array has dtype {array.dtype}, expected uint8 (or bool, uint16).", cure)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        cure = "Give (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA; for (3, H, W): array.transpose(1, 2, 0)."
        raise BadRequest(f"The array has shape {array.shape}, which is no picture.", cure)
    size_wh = (array.shape[1], array.shape[0])
    check_pixels(size_wh, max_pixels)
    return Picture(size_wh=size_wh, orientation=1, format="array", source=array)


def _bands(width: int, height: int) -> Iterator[tuple[int, int]]:
    """(top, bottom) of bands of rows of about ``BAND_PIXELS``: working copies stay small, and in the cache."""
    rows = max(1, BAND_PIXELS // width)
    for top in range(0, height, rows):
        yield top, min(top + rows, height)


def array_rgb(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    """An array that ``open_picture`` accepted: (H, W[, 1, 3 or 4]) bool, uint8, uint16 -> (H, W, 3) uint8."""
    height, width = array.shape[:2]
    upright = np.empty((height, width, 3), np.uint8)
    for top, bottom in _bands(width, height):
        band = _eight_bits(array[top:bottom])
        if band.ndim == 3 and band.shape[2] == 4:
            band = np.asarray(flat(Image.fromarray(np.ascontiguousarray(band))))
        upright[top:bottom] = band[:, :, None] if band.ndim == 2 else band
    return upright


def _eight_bits(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.itemsize == 2:
        return (array.astype(np.uint16, copy=False) >> 8).astype(np.uint8)
    return array.astype(np.uint8, copy=False)


def _upright(image: Image.Image, orientation: int, profile: bytes) -> NDArray[np.uint8] | Image.Image:
    """A loaded image -> itself where it is upright RGB in sRGB, else (H, W, 3) uint8. ``profile``: its ``Header``'s."""
    plain = image.mode == "RGB" and orientation == 1 and "transparency" not in image.info and not profile
    return image if plain else _upright_rgb(image, orientation, profile)


def _upright_rgb(image: Image.Image, orientation: int, profile: bytes) -> NDArray[np.uint8]:
    """A loaded image -> (H, W, 3) uint8, band by band: beside Pillow's own pixels there is only the answer."""
    width, height = image.size
    upright = np.empty((width, height, 3) if orientation >= 5 else (height, width, 3), np.uint8)
    for top, bottom in _bands(width, height):
        band = flat(image.crop((0, top, width, bottom)), profile)
        if orientation > 1:
            band = band.transpose(_TURNS[orientation])
        start, end = (height - bottom, height - top) if orientation in (3, 4, 6, 7) else (top, bottom)
        where = np.s_[:, start:end] if orientation >= 5 else np.s_[start:end]
        upright[where] = np.asarray(band)
    return upright


def flat(band: Image.Image, profile: bytes = b"") -> Image.Image:
    """Any mode -> RGB, alpha and transparent colours laid over white; in sRGB where ``profile`` says other colours."""
    if not profile:
        return _flat(band)
    direct = colour.to_srgb(band, profile) if "transparency" not in band.info else None
    if direct is not None:
        return direct
    plain = _flat(band)
    converted = colour.to_srgb(plain, profile)
    if converted is None and band.mode not in ("RGB", "RGBA", "RGBa", "P", "PA", "CMYK"):
        converted = colour.to_srgb(plain.convert("L"), profile)
    return converted or plain


def _flat(band: Image.Image) -> Image.Image:
    key = band.info.get("transparency")
    if band.mode.startswith("I;16"):
        return _flat_16(band, key)
    if isinstance(key, tuple) and max(key) > 255:  # of a 16-bit RGB picture, of which Pillow keeps the high bytes
        band.info["transparency"] = tuple(value >> 8 for value in key)
    if band.mode == "La":
        band = band.convert("LA")
    if key is not None or band.mode in ("LA", "PA", "RGBA", "RGBa"):
        rgba = band.convert("RGBA")
        white = Image.new("RGB", band.size, "white")
        white.paste(rgba, mask=rgba)
        return white
    return band if band.mode == "RGB" else band.convert("RGB")


def _flat_16(band: Image.Image, key: object) -> Image.Image:
    grey = np.asarray(band)
    high = _eight_bits(grey)
    if isinstance(key, int):
        high[grey == key] = 255
    return Image.fromarray(high).convert("RGB")
