"""What a picture's header says about the memory that decoding takes. Bytes a pixel were measured (docs/memory.md)."""

from dataclasses import dataclass, replace

from maskery.core.picture import stream
from maskery.core.picture.decode import Picture
from maskery.core.picture.headers import jpeg_coefficient_bytes
from maskery.core.picture.orientation import turned_wh

# Bytes a pixel of Pillow's images by mode; 4 in the others.
_NARROW = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
# How many times larger than its file a picture's PNG is at most: JPEGs of quality 70 and more, PNGs of any writer.
_AS_PNG = {"JPEG": 20.0, "MPO": 20.0, "PNG": 2.5}
# Bytes a pixel that decoders of whole pictures hold beside Pillow's image.
_BESIDE = {"WEBP": 11.0, "AVIF": 7.0, "GIF": 5.0, "TIFF": 1.0, "JPEG2000": 16.0, "HEIF": 11.0}


@dataclass(frozen=True, kw_only=True)
class PictureFacts:
    """What the memory of decoding a picture depends on.

    Attributes:
        size_wh: Upright.
        orientation: The EXIF orientation, 1 to 8.
        format: Pillow's name of the file format.
        source_bytes: Size of the file; 0 of pixels that need no decoding.
        always_bytes: What a decoder holds of the whole picture however it is read.
        pillow: Bytes a pixel of Pillow's image.
        beside: Bytes a pixel beside it.
        copied: Whether an upright RGB copy of Pillow's image is made.
        why_whole: Why it cannot be read row by row, or empty.
        plain_png: As ``stream.is_plain_png`` says.
    """

    size_wh: tuple[int, int]
    orientation: int
    format: str
    source_bytes: int
    always_bytes: int
    pillow: int
    beside: float
    copied: bool
    why_whole: str
    plain_png: bool = False

    @property
    def pixels(self) -> int:
        return self.size_wh[0] * self.size_wh[1]

    @property
    def stored_wh(self) -> tuple[int, int]:
        return turned_wh(self.size_wh, self.orientation)

    @property
    def jpeg(self) -> bool:
        """Whether it can be decoded at a part of its size."""
        return self.format in ("JPEG", "MPO")

    def streaming_bytes(self, reduce: int = 1) -> float:
        """What reading it row by row holds."""
        return stream.held_bytes(self.format, self.stored_wh[0] // reduce) + self.always_bytes

    def decoding_bytes(self, reduce: int = 1) -> float:
        """What decoding it as a whole holds, at 1/``reduce``, with the pixels in the form that is resized."""
        copying = max(self.pillow + 3.0, 7.5) if self.copied else 0.0
        each = max(self.pillow + self.beside, copying)
        return each * self.pixels / reduce**2 + self.always_bytes

    def packed_bytes(self, depth: float) -> float:
        """Of a PNG that shows it with ``depth`` bytes a pixel: if its own file is small, so is that."""
        return min(depth * self.pixels, _AS_PNG.get(self.format, 1e9) * self.source_bytes)

    def scaled(self, factor: float) -> "PictureFacts":
        """Of such a picture whose sides are ``factor`` times as long."""
        width, height = (max(1, round(side * factor)) for side in self.size_wh)
        area = width * height / self.pixels
        source, always = round(self.source_bytes * area), round(self.always_bytes * area)
        return replace(self, size_wh=(width, height), source_bytes=source, always_bytes=always)


def facts_of(picture: Picture) -> PictureFacts:
    """From what ``open_picture`` read of the header; nothing is opened again."""
    source, orientation = picture.source, picture.orientation
    if not isinstance(source, bytes):
        return PictureFacts(
            size_wh=picture.size_wh,
            orientation=orientation,
            format=picture.format,
            source_bytes=0,
            always_bytes=0,
            pillow=0,
            beside=3.0,
            copied=True,
            why_whole="",
        )
    jpeg = picture.format in ("JPEG", "MPO")
    return PictureFacts(
        size_wh=picture.size_wh,
        orientation=orientation,
        format=picture.format,
        source_bytes=len(source),
        always_bytes=jpeg_coefficient_bytes(source) if jpeg else 0,
        pillow=_NARROW.get(picture.header.mode, 4),
        beside=_BESIDE.get(picture.format, 0.0),
        copied=picture.header.mode != "RGB"
        or orientation != 1
        or picture.header.transparent
        or bool(picture.header.profile),
        why_whole=picture.header.why_whole,
        plain_png=stream.is_plain_png(picture),
    )
