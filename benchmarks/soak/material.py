"""What the soak sends: good pictures of every kind and size, and files that are none."""

import io
import random
import struct
import zlib
from dataclasses import dataclass

from PIL import Image

from benchmarks.pictures import LARGE_WH, PHOTOS, enlarged

FORMATS = ("JPEG", "PNG", "JPEG", "WEBP", "JPEG", "TIFF")
LEAST_SIDE = 32
ORIENTATION = 0x0112  # the EXIF tag


@dataclass(frozen=True)
class File:
    """``name``: what it is, unique. ``pixels``: 0 for a file that is no picture."""

    name: str
    media_type: str
    pixels: int
    data: bytes


@dataclass(frozen=True)
class Material:
    good: tuple[File, ...]
    broken: tuple[File, ...]

    @property
    def largest(self) -> File:
        return max(self.good, key=lambda file: file.pixels)


def material(count: int = 16, seed: int = 0) -> Material:
    """``count`` pictures of random sizes up to twelve megapixels, the last one of exactly that size."""
    draw = random.Random(seed)
    good = []
    for number in range(count):
        kind = FORMATS[number % len(FORMATS)]
        # Most uploads are small: the square makes small sides as likely as large ones are rare.
        scales = [draw.random() ** 2 for _ in LARGE_WH]
        size = tuple(
            LEAST_SIDE + int(scale * (side - LEAST_SIDE)) for scale, side in zip(scales, LARGE_WH, strict=True)
        )
        good.append(_picture(number, kind, (size[0], size[1]), draw.choice((1, 1, 6, 8))))
    good.append(_picture(count, "JPEG", LARGE_WH, 1))
    return Material(tuple(good), _broken(good))


def _picture(number: int, kind: str, size_wh: tuple[int, int], orientation: int) -> File:
    photo = enlarged(PHOTOS[number % len(PHOTOS)]).resize(size_wh, Image.Resampling.BILINEAR)
    exif, file = Image.Exif(), io.BytesIO()
    exif[ORIENTATION] = orientation
    photo.save(file, kind, exif=exif)
    name = f"{kind} {size_wh[0]} x {size_wh[1]}, orientation {orientation}"
    return File(name, f"image/{kind.lower()}", size_wh[0] * size_wh[1], file.getvalue())


def _broken(good: list[File]) -> tuple[File, ...]:
    halves = [File(f"half of {f.name}", f.media_type, 0, f.data[: len(f.data) // 2]) for f in good[:4]]
    return (
        *halves,
        File("no bytes", "image/jpeg", 0, b""),
        File("text", "image/jpeg", 0, b"this is not a picture\n" * 20),
        File("noise that begins as a JPEG", "image/jpeg", 0, b"\xff\xd8\xff\xe0" + random.Random(1).randbytes(50_000)),
        File("a PNG that says it is enormous", "image/png", 0, _png_head(60_000, 60_000)),
        File("a PNG without pixels", "image/png", 0, _png_head(64, 64)),
    )


def _png_head(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
