"""Pictures and masks of data sets, read with the same care as those that are sent to the server."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskery.core.errors import DataError, InputError
from maskery.core.files import PICTURE_SUFFIXES, is_system
from maskery.core.picture import decode, headers

IMAGE_SUFFIXES = PICTURE_SUFFIXES
MASK_SUFFIXES = (".png", ".bmp", ".gif", ".tif", ".tiff")  # they keep every value; JPEG does not
MAX_PIXELS = 1 << 28
MAX_BYTES = 1 << 30


def files_in(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Regular files of ``folder`` itself, by name: a pipe would be waited for without end. Not those of the system."""
    found = (path for path in folder.glob("*") if path.suffix.lower() in suffixes and not is_system(path.name))
    return sorted(path for path in found if path.is_file())


def folders_in(folder: Path) -> list[Path]:
    """The folders in ``folder`` itself, by name, without those of the system."""
    return sorted(path for path in folder.glob("*") if not is_system(path.name) and path.is_dir())


def same_text(name: str) -> str:
    """``name`` with its accents composed: macOS may write them apart (NFD), others together (NFC)."""
    return unicodedata.normalize("NFC", name)


def present(path: Path) -> Path:
    """``path`` or, where it is not there, its neighbour whose name differs only in how accents are composed."""
    try:
        if path.exists() or path.name.isascii():
            return path
        wanted = same_text(path.name)
        return next((other for other in path.parent.glob("*") if same_text(other.name) == wanted), path)
    except (OSError, ValueError):  # too long a name, or one with a zero byte
        return path


def picture_of(name: str, folders: Sequence[Path]) -> Path | None:
    """Where the picture lies that a tool calls ``name``: below one of ``folders`` or, by its last part, in one.

    None where it is in none. A name that leads out of the folders counts by its last part only.
    """
    ways = list[PurePosixPath]()
    for text in dict.fromkeys((name, name.replace("\\", "/"))):
        parts = PurePosixPath(text).parts
        if parts and ".." not in parts and not text.startswith("/"):
            ways.append(PurePosixPath(text))
        ways += [PurePosixPath(last) for last in (parts[-1:] and (parts[-1], unquote(parts[-1], errors=ESCAPED)))]
    for way in dict.fromkeys(ways):
        for folder in folders:
            found = present(folder / way)
            if _is_file(found):
                return found
    return None


ESCAPED = "surrogateescape"  # how Python keeps bytes of a file's name that are no UTF-8


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long a name, or one with a zero byte
        return False


def open_picture(source: Path | bytes, name: str) -> decode.Picture:
    """The header of a picture file, checked. Raises ``DataError`` that calls it ``name``."""
    try:
        return decode.open_picture(source, max_bytes=MAX_BYTES, max_pixels=MAX_PIXELS)
    except InputError as error:
        raise _unreadable(name, "picture", error) from error


def rgb(picture: decode.Picture, name: str) -> Image.Image:
    """The upright picture, mode RGB. Raises ``DataError`` that calls it ``name``."""
    try:
        pixels = picture.pixels()
    except InputError as error:
        raise _unreadable(name, "picture", error) from error
    return pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)


def bits_used(picture: decode.Picture) -> int | None:
    """How many bits the largest value of a grey picture of 16 bits takes; None of another picture."""
    if not picture.header.mode.startswith("I;16") or not isinstance(picture.source, bytes):
        return None
    with decode.open_lazily(picture.source) as image:
        return int(np.asarray(image).max()).bit_length()


def read_mask(path: Path) -> Image.Image:
    """A mask's pixels as they are stored, not turned by EXIF. Raises ``DataError`` naming the file."""
    try:
        data = path.read_bytes()
        with decode.decoder_errors():
            headers.check_structure(data, MAX_PIXELS)
            stored = decode.open_lazily(data)
            headers.check_pixels(stored.size, MAX_PIXELS)
            stored.load()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.", "Check the file.") from error
    except InputError as error:
        raise _unreadable(str(path), "mask", error) from error
    return stored


def plain(mask: Image.Image) -> Image.Image:
    """``mask`` without what says nothing: an alpha that is opaque everywhere, colour channels that all agree."""
    if mask.mode in ("RGBA", "LA") and mask.getchannel("A").getextrema()[0] == 255:
        mask = mask.convert("RGB" if mask.mode == "RGBA" else "L")
    if mask.mode == "RGB":
        pixels = np.asarray(mask)
        if (pixels == pixels[..., :1]).all():
            return Image.fromarray(np.ascontiguousarray(pixels[..., 0]))
    return mask


def values(mask: Image.Image, path: Path) -> NDArray[np.uint8]:
    """(H, W) uint8, the grey values or palette indices of ``mask``. Raises ``DataError`` for another mode."""
    if mask.mode in ("P", "L", "1"):
        return np.array(mask, dtype=np.uint8)
    raise DataError(
        f"{path} has mode {mask.mode}{_MODES.get(mask.mode, '')}; a mask has one channel of class ids.", _CURE
    )


_CURE = (
    "Save it as an 8-bit grey or palette PNG whose pixel values are class ids, or, for coloured masks, give the "
    "colours of the classes in classes.toml."
)
_MODES = {
    "RGB": " (colours)",
    "RGBA": " (colours with transparency)",
    "LA": " (grey with transparency)",
    "I;16": " (16 bits)",
    "I;16B": " (16 bits)",
    "I": " (32 bits)",
    "F": " (floating point)",
}


def _unreadable(name: str, kind: str, error: InputError) -> DataError:
    return DataError(f"{name} is not a readable {kind}: {error.message}", "Replace or remove the file.")
