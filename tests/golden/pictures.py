"""The pictures that golden answers are of: small, of every kind of file that often comes."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

ORIENTATION = 0x0112


def _photo(name: str, size_wh: tuple[int, int]) -> Image.Image:
    return Image.fromarray(getattr(data, name)()).resize(size_wh, Image.Resampling.BILINEAR)


def file_of(picture: Image.Image, format: str = "PNG", orientation: int = 1) -> bytes:
    """The picture as a file's bytes, marked with an EXIF orientation where that is not 1."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    file = io.BytesIO()
    picture.save(file, format, **({"exif": exif} if orientation > 1 else {}))
    return file.getvalue()


def person() -> bytes:
    """A JPEG, 256 x 256."""
    return file_of(_photo("astronaut", (256, 256)), "JPEG")


def cat() -> bytes:
    """A PNG of an odd size, 151 x 101."""
    return file_of(_photo("chelsea", (151, 101)))


def turned() -> bytes:
    """A JPEG that lies on its side, EXIF orientation 6: 160 x 240 when upright."""
    return file_of(_photo("astronaut", (160, 240)).transpose(Image.Transpose.ROTATE_90), "JPEG", 6)


def grey() -> bytes:
    """A grey PNG, 120 x 80."""
    return file_of(_photo("chelsea", (120, 80)).convert("L"))


def transparent() -> bytes:
    """An RGBA PNG, 96 x 97, more transparent from left to right."""
    picture = _photo("astronaut", (96, 97))
    picture.putalpha(Image.fromarray(np.tile(np.linspace(255, 0, 96).astype(np.uint8), (97, 1))))
    return file_of(picture)


def large() -> bytes:
    """A JPEG that a decoder may read reduced, 1280 x 853: a cat on the left, a person on the right."""
    picture = Image.new("RGB", (1280, 853))
    picture.paste(_photo("chelsea", (640, 853)), (0, 0))
    picture.paste(_photo("astronaut", (640, 853)), (640, 0))
    return file_of(picture, "JPEG")


def pixels() -> NDArray[np.uint8]:
    """(80, 120, 3) uint8 RGB."""
    return np.asarray(_photo("chelsea", (120, 80)))


def kinds() -> dict[str, bytes]:
    """One small picture in the kinds of file that decoders treat each in its own way."""
    plain = _photo("chelsea", (90, 60))
    deep = Image.fromarray(np.asarray(plain.convert("L")).astype(np.uint16) * 257)
    return {
        "bmp": file_of(plain, "BMP"),
        "cmyk-jpeg": file_of(plain.convert("CMYK"), "JPEG"),
        "gif": file_of(plain.quantize(64), "GIF"),
        "grey-16": file_of(deep),
        "palette": file_of(plain.quantize(64)),
        "tiff": file_of(plain, "TIFF"),
        "turned-png": file_of(plain, "PNG", 8),
        "webp": file_of(plain, "WEBP"),
    }


def broken() -> bytes:
    """A JPEG that ends in its middle."""
    return person()[:3000]


NAMED = {"person": person, "cat": cat, "turned": turned, "grey": grey, "transparent": transparent, "large": large}
