"""What a picture file is built of, read without a decoder: sizes and blocks that must be known before Pillow opens it,
and what Pillow's lazy image says of the pixels.

Pillow allocates, or loops for seconds, by what a hostile file claims: a first GIF frame of 65535 x 65535 pixels in 37
bytes, a WebP canvas, millions of PNG chunks or JPEG segments.
"""

import io
import re
import struct
from dataclasses import dataclass

from PIL import ExifTags, Image

from maskery.core.errors import PictureError, TooLarge
from maskery.core.picture.colour import moving

BLOCKS_AT_MOST = 100_000  # PNG chunks, GIF blocks, JPEG segments: real files have a few thousand at most
BRIEF_BYTES, BRIEF_BLOCKS = 1 << 18, 64  # of a file that is opened without leaving the event loop
SCANS_AT_MOST = 100  # of a progressive JPEG; real ones have about ten
SAVE_AGAIN = "Open it in a viewer and save it again, or send it again if the transfer was cut off."
_JPEG_MARKER = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")  # but not those that restart a scan: they belong to its data


ROW_BY_ROW = ("JPEG", "MPO", "PNG", "TIFF")
STRIP_BYTES_AT_MOST = 1 << 26  # of a TIFF's strip or row of tiles, which is decoded as one


@dataclass(frozen=True)
class Header:
    """What a file's header says of its pixels beside size and orientation.

    ``mode``: Pillow's, empty for a picture that is no file. ``transparent``: whether one colour is. ``why_whole``: why
    it cannot be read row by row; empty where it can, given the extra ``huge``. ``profile``: its colour profile (ICC),
    empty where that is sRGB.
    """

    mode: str = ""
    transparent: bool = False
    why_whole: str = ""
    profile: bytes = b""


NO_HEADER = Header()


def read_header(image: Image.Image, data: bytes) -> Header:
    """From Pillow's lazy ``image`` of the file ``data``; raises whatever Pillow does for damaged tags."""
    profile = moving(image.info.get("icc_profile"))
    return Header(image.mode, "transparency" in image.info, _why_whole(image, data), profile)


def _why_whole(image: Image.Image, data: bytes) -> str:
    if image.format not in ROW_BY_ROW:
        return f"{image.format} files are decoded as a whole"
    if image.format == "PNG" and data[28] != 0:
        return "an interlaced PNG is decoded as a whole"
    if image.format in ("JPEG", "MPO") and lacks_end(data):
        return "a JPEG without its end marker is decoded as a whole"
    return _why_whole_tiff(image) if image.format == "TIFF" else ""


def lacks_end(data: bytes) -> bool:
    """Whether a JPEG has no end marker behind its last scan."""
    return data.find(b"\xff\xd9", max(0, data.rfind(b"\xff\xda"))) < 0


_BOTH_READ = (
    1,
    5,
    7,
    8,
    32773,
    32946,
)  # compressions of TIFF: none, LZW, JPEG, Deflate, PackBits, Deflate's old number


def _why_whole_tiff(image: Image.Image) -> str:
    tags = image.tag_v2  # type: ignore[attr-defined]
    if tags.get(ExifTags.Base.Compression, 1) not in _BOTH_READ:
        return f"a TIFF of compression {tags.get(ExifTags.Base.Compression)} is decoded as a whole"
    if tags.get(ExifTags.Base.SamplesPerPixel, 1) != len(image.getbands()):
        return f"a TIFF of {tags.get(ExifTags.Base.SamplesPerPixel)} bands is decoded as a whole"
    if image.mode not in ("L", "RGB") or set(tags.get(ExifTags.Base.BitsPerSample, (1,))) != {8}:
        return f"a TIFF of mode {image.mode} is decoded as a whole"
    if tags.get(ExifTags.Base.PhotometricInterpretation) not in (1, 2) or tags.get(ExifTags.Base.Orientation, 1) != 1:
        return "a TIFF that is turned, inverted or has YCbCr pixels is decoded as a whole"
    rows_at_once = tags.get(ExifTags.Base.TileLength) or tags.get(ExifTags.Base.RowsPerStrip, image.height)
    if min(rows_at_once, image.height) * image.width * len(image.getbands()) > STRIP_BYTES_AT_MOST:
        return "a TIFF of few large strips is decoded as a whole"
    return ""


_TIFF_TYPES = {3: "H", 4: "I", 16: "Q"}  # numbers of a tag: 16, 32 and 64 bits
_SAMPLE_FORMATS = {2: " signed", 3: " floating point", 5: " complex", 6: " complex"}


def tiff_kind(data: bytes) -> str:
    """What a TIFF's first directory says of its pixels, "of 4 bands of 16 bits, compression 1"; "" if it is damaged."""
    try:
        order = "<" if data[:2] == b"II" else ">"
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
        tags = dict(_tiff_tag(data, order, start + 2 + 12 * i) for i in range(min(count, 4096)))
        bits, bands = sorted(set(tags.get(258, (1,)))), tags.get(277, (1,))[0]
        sort = _SAMPLE_FORMATS.get(tags.get(339, (1,))[0], "")
        compression = tags.get(259, (1,))[0]
    except (struct.error, IndexError):
        return ""
    shown = " and ".join(map(str, bits[:4]))
    return f"of {bands} band{'s' if bands > 1 else ''} of {shown} bits{sort}, compression {compression}"


def _tiff_tag(data: bytes, order: str, place: int) -> tuple[int, tuple[int, ...]]:
    """(tag, its first numbers) of a directory's entry; no numbers for a tag of another type."""
    tag, type, count = struct.unpack_from(f"{order}HHI", data, place)
    letter = _TIFF_TYPES.get(type)
    if letter is None:
        return tag, ()
    count = min(count, 64)
    size = count * struct.calcsize(letter)
    if size > 4:
        (place,) = struct.unpack_from(f"{order}I", data, place + 8)
    else:
        place += 8
    return tag, struct.unpack_from(f"{order}{count}{letter}", data, place)


def check_pixels(size_wh: tuple[int, int], max_pixels: int) -> None:
    width, height = size_wh
    if width < 1 or height < 1:
        raise PictureError(f"The picture is empty: {width} x {height} pixels.", SAVE_AGAIN)
    if width * height > max_pixels:
        cure = "Send a smaller picture, or raise max_pixels (MASKERY_MAX_PIXELS)."
        raise TooLarge(f"The picture has {width} x {height} pixels, the limit is {max_pixels:,} in all.", cure)


class _Budget:
    """How many blocks of one file may be walked: Pillow takes microseconds, and memory, for each."""

    def __init__(self, blocks: int = BLOCKS_AT_MOST) -> None:
        self.left = blocks

    def spend(self, blocks: int = 1) -> None:
        self.left -= blocks
        if self.left < 0:
            raise PictureError(f"The picture consists of more than {BLOCKS_AT_MOST:,} blocks.", SAVE_AGAIN)


def check_structure(data: bytes, max_pixels: int) -> None:
    """Refuse what would cost Pillow memory or long loops while it opens the file, by a look at its blocks."""
    if data.startswith(b"\xff\xd8"):
        _check_jpeg(data)
    elif data.startswith(b"\x89PNG"):
        check_pixels(struct.unpack_from(">II", data, 16), max_pixels)
        png_chunk(data, b"")  # no chunk has this name: a walk to the end
    elif data.startswith((b"GIF87a", b"GIF89a")):
        check_pixels(_gif_size(io.BytesIO(data)), max_pixels)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        check_pixels(_webp_size(data), max_pixels)


def is_brief(data: bytes) -> bool:
    """Whether the file is a small JPEG or PNG with few blocks, so that opening it takes less than a millisecond.

    Says nothing of whether it is sound: a damaged one is brief where the walk through its blocks ends early.
    """
    if len(data) > BRIEF_BYTES:
        return False
    try:
        if data.startswith(b"\xff\xd8"):
            _check_jpeg(data, BRIEF_BLOCKS)
        elif data.startswith(b"\x89PNG"):
            png_chunk(data, b"", BRIEF_BLOCKS)
        else:
            return False
    except PictureError:
        return False
    return True


def _check_jpeg(data: bytes, blocks: int = BLOCKS_AT_MOST) -> None:
    """Count segments, filling and junk up to the first scan; of a progressive file also the scans, which cost most."""
    budget, position, scans, progressive = _Budget(blocks), 2, 0, False
    while found := _JPEG_MARKER.search(data, position):
        budget.spend(1 if scans else found.end() - position - 1)
        marker, position = data[found.end() - 1], found.end()
        progressive = progressive or marker in (0xC2, 0xC6, 0xCA, 0xCE)
        scans += marker == 0xDA
        if scans and (marker == 0xD9 or not progressive):
            return
        # Counts chance finds too, but is done in no time.
        if marker == 0xDA and scans == 1 and data.count(b"\xff\xda") <= SCANS_AT_MOST:
            return
        if scans > SCANS_AT_MOST:
            raise PictureError(f"The JPEG has more than {SCANS_AT_MOST} scans.", SAVE_AGAIN)
        if marker not in (0x01, 0xD8, 0xD9):  # these three have no content
            position += int.from_bytes(data[position : position + 2], "big")


def _gif_size(file: io.BytesIO) -> tuple[int, int]:
    """The screen, or the first frame where that reaches further. Walks the blocks exactly as Pillow does."""
    budget = _Budget()

    def block() -> bytes:
        budget.spend()
        return file.read(file.read(1)[0])

    width, height, flags = struct.unpack("<6xHHB2x", file.read(13))
    if flags & 128:
        file.seek(3 << ((flags & 7) + 1), io.SEEK_CUR)
    while (kind := file.read(1)) not in (b"", b";"):
        budget.spend()
        if kind == b",":
            x, y, w, h = struct.unpack("<4H", file.read(8))
            return max(width, x + w), max(height, y + h)
        if kind == b"!":
            label, first = file.read(1), block()
            if label == b"\xff" and first.startswith(b"NETSCAPE2.0"):
                first = block()
            while (label != b"\xfe" or first) and block():
                pass
    return width, height  # no frame: Pillow says so


def _webp_size(data: bytes) -> tuple[int, int]:
    """The canvas, from whichever of the three kinds of first chunk."""
    kind = data[12:16]
    if kind == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def png_chunk(data: bytes, name: bytes, blocks: int = BLOCKS_AT_MOST) -> bytes | None:
    """The content of the first chunk of this name, also behind the pixels. None where there is none.

    Raises ``PictureError`` where there are more than ``blocks`` chunks before it.
    """
    budget, position = _Budget(blocks), 8
    while position + 8 <= len(data):
        budget.spend()
        length, found = struct.unpack_from(">I4s", data, position)
        if found == name:
            return data[position + 8 : position + 8 + length]
        position += length + 12
    return None


def jpeg_coefficient_bytes(data: bytes) -> int:
    """What a decoder must hold of the whole JPEG whatever its reduction: 0 where it is read from top to bottom.

    Progressive files, and those whose colours come one after another, are held as coefficients of 2 bytes.
    """
    position, frame = 2, b""
    while found := _JPEG_MARKER.search(data, position):
        marker, position = data[found.end() - 1], found.end()
        if marker in (0x01, 0xD8, 0xD9):
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            frame, kind = data[position + 2 : position + length], marker
        if marker == 0xDA:
            together = len(frame) >= 6 and data[position + 2] == frame[5]
            whole = frame and (kind in (0xC2, 0xC6, 0xCA, 0xCE) or not together)
            return _coefficient_bytes(frame) if whole else 0
        position += length
    return 0


def _coefficient_bytes(frame: bytes) -> int:
    """Of a frame header: bits, height, width, components, and 3 bytes a component with its sampling factors."""
    height, width, components = struct.unpack(">HHB", frame[1:6])
    factors = [(byte >> 4, byte & 15) for byte in frame[7 : 6 + 3 * components : 3]]
    across, down = max(x for x, _ in factors), max(y for _, y in factors)
    share = sum(x * y for x, y in factors) / max(1, across * down)
    return int(2 * share * height * width)
