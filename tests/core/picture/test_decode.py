"""Pictures of every accepted kind come out upright in RGB; everything else is an ``InputError`` with a cure."""

import functools
import io
import pickle
import struct
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from maskery.core.arrays import Pixels
from maskery.core.errors import BadRequest, InputError, PictureError, TooLarge, UnsupportedPicture
from maskery.core.picture import decode
from maskery.core.picture.decode import Picture, Source
from maskery.inference.planning.header import facts_of
from tests import material

HEIGHT, WIDTH = 20, 33


def opened(source: Source) -> Picture:
    return decode.open_picture(source, max_bytes=1 << 25, max_pixels=1 << 22)


def quarters(height: int = HEIGHT, width: int = WIDTH) -> Pixels:
    """A picture whose four quarters differ: no two orientations look alike."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2, 0] = 255
    pixels[height // 2 :, : width // 2, 1] = 255
    pixels[: height // 2, width // 2 :, 2] = 255
    return pixels


def saved(picture: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def exif_of(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


FILES = {
    "jpeg": ("JPEG", {"quality": 98, "subsampling": 0}),
    "png": ("PNG", {}),
    "webp": ("WEBP", {"lossless": True}),
    "tiff": ("TIFF", {}),
    "tiff-lzw": ("TIFF", {"compression": "tiff_lzw"}),
    "avif": ("AVIF", {"quality": 100, "subsampling": "4:4:4"}),
    "gif": ("GIF", {}),
    "bmp": ("BMP", {}),
}
WITH_EXIF = [name for name in FILES if name not in ("gif", "bmp")]
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


def file_of(name: str, pixels: Pixels | None = None, orientation: int = 1) -> bytes:
    format, options = FILES[name]
    exif = {"exif": exif_of(orientation)} if orientation > 1 else {}
    return saved(Image.fromarray(quarters() if pixels is None else pixels), format, **options, **exif)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: bytes) -> bytes:
    """A PNG written by hand, for what Pillow cannot write. ``rows``: filter byte and samples of each row."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = b"".join(chunks) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + body


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", WITH_EXIF)
def test_every_orientation_comes_upright(name: str, orientation: int) -> None:
    data = file_of(name, orientation=orientation)
    expected = UPRIGHT[orientation](quarters())
    picture = opened(data)
    pixels = picture.rgb()
    assert picture.orientation == orientation
    assert picture.size_wh == (expected.shape[1], expected.shape[0])
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    np.testing.assert_allclose(pixels, expected, atol=12)
    with Image.open(io.BytesIO(data)) as pil:
        np.testing.assert_array_equal(opened(pil).rgb(), pixels)


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_bands_join_without_seams(orientation: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (37, 23, 3), np.uint8)
    monkeypatch.setattr(decode, "BAND_PIXELS", 100)
    np.testing.assert_array_equal(opened(file_of("png", pixels, orientation)).rgb(), UPRIGHT[orientation](pixels))


def test_png_with_exif_behind_the_pixels() -> None:
    data = file_of("png")
    exif = chunk(b"eXIf", exif_of(6).tobytes()[6:])
    assert opened(data[:-12] + exif + data[-12:]).orientation == 6


def test_exif_of_a_pil_image_in_memory() -> None:
    pil = Image.fromarray(quarters())
    pil.getexif()[0x0112] = 8
    picture = opened(pil)
    assert (picture.orientation, picture.size_wh, picture.format) == (8, (HEIGHT, WIDTH), "PIL")
    np.testing.assert_array_equal(picture.rgb(), UPRIGHT[8](quarters()))


@pytest.mark.filterwarnings("ignore:.*EXIF.*:UserWarning", "ignore:.*Tag.*:UserWarning")
@pytest.mark.parametrize("exif", [b"", b"Exif\0\0", b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12"])
def test_broken_exif_means_upright(exif: bytes) -> None:
    for name in ("jpeg", "png", "webp"):
        format, options = FILES[name]
        data = saved(Image.fromarray(quarters()), format, exif=exif, **options)
        np.testing.assert_allclose(opened(data).rgb(), quarters(), atol=12)


def test_orientation_out_of_range_means_upright() -> None:
    assert opened(file_of("png", orientation=9)).orientation == 1


# Kinds of pixels


def photo() -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))


def over_white(rgba: NDArray[np.generic]) -> NDArray[np.float64]:
    colour, alpha = rgba[..., :-1].astype(float), rgba[..., -1:].astype(float) / 255
    return np.broadcast_to(colour * alpha + 255 * (1 - alpha), (*rgba.shape[:2], 3))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"])
def test_pil_modes_without_alpha(mode: str) -> None:
    pil = photo().convert(mode)
    np.testing.assert_array_equal(opened(pil).rgb(), np.asarray(pil.convert("RGB")))


@pytest.mark.parametrize("mode", ["LA", "La", "PA", "RGBA", "RGBa"])
def test_pil_modes_with_alpha_lie_over_white(mode: str) -> None:
    rgba = photo().convert("RGBA")
    rgba.putalpha(Image.linear_gradient("L").resize(rgba.size))
    straight = rgba.convert("LA") if mode in ("LA", "La") else rgba.convert("P" if mode == "PA" else "RGBA")
    pil = straight.convert(mode)
    pixels = opened(pil).rgb()
    reference = pil.convert("LA").convert("RGBA") if mode == "La" else pil.convert("RGBA")
    np.testing.assert_allclose(pixels, over_white(np.asarray(reference)), atol=1)


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I;16L"])
def test_pil_16_bit_keeps_the_high_byte(mode: str) -> None:
    values = np.arange(0, 65536, 257 * 16, dtype=np.uint16).reshape(4, 4)
    order = ">u2" if mode.endswith("B") else "<u2"
    pil = Image.frombytes(mode, (4, 4), values.astype(order).tobytes())
    np.testing.assert_array_equal(opened(pil).rgb()[..., 1], values >> 8)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_32_bit_pixels_are_refused_with_a_cure(mode: str) -> None:
    for source in (Image.new(mode, (4, 4)), saved(Image.new(mode, (4, 4)), "TIFF")):
        with pytest.raises(UnsupportedPicture, match="8 bits"):
            opened(source)


@pytest.mark.parametrize("name", FILES)
def test_every_format(name: str) -> None:
    picture = opened(file_of(name))
    assert picture.format == FILES[name][0]
    assert picture.size_wh == (WIDTH, HEIGHT)
    np.testing.assert_allclose(picture.rgb(), quarters(), atol=12)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP"])
@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_small_depths_in_files(format: str, mode: str) -> None:
    pil = photo().convert(mode)
    np.testing.assert_array_equal(opened(saved(pil, format)).rgb(), np.asarray(pil.convert("RGB")))


@pytest.mark.parametrize(("format", "mode"), [("JPEG", "CMYK"), ("TIFF", "CMYK"), ("TIFF", "LAB"), ("TIFF", "YCbCr")])
def test_colour_spaces_in_files(format: str, mode: str) -> None:
    plain = Image.new("RGB", (16, 16), (200, 30, 60)).convert(mode)
    options = {"quality": 98} if format == "JPEG" else {}
    np.testing.assert_allclose(opened(saved(plain, format, **options)).rgb(), np.asarray(plain.convert("RGB")), atol=4)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_alpha_in_files_lies_over_white(format: str) -> None:
    rgba = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    options = {"lossless": True} if format == "WEBP" else {"quality": 100} if format == "AVIF" else {}
    assert opened(saved(rgba, format, **options)).rgb().min() >= 253


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_transparent_palette_colour_is_white(format: str) -> None:
    pil = Image.new("P", (4, 4), 1)
    pil.putpalette([255, 0, 0, 0, 0, 255])
    pil.putpixel((0, 0), 0)
    pixels = opened(saved(pil, format, transparency=1)).rgb()
    assert pixels[0, 0].tolist() == [255, 0, 0]
    assert pixels[1, 1].tolist() == [255, 255, 255]


def test_palette_with_an_alpha_each() -> None:
    pil = Image.new("P", (2, 1), 1)
    pil.putpalette([255, 0, 0, 0, 0, 255])
    pixels = opened(saved(pil, "PNG", transparency=bytes([255, 51]))).rgb()
    assert pixels[0, 0].tolist() == [204, 204, 255]


def test_png_of_16_bits() -> None:
    grey = png(2, 1, 16, 0, b"\0" + struct.pack(">HH", 0x1234, 0xFEDC))
    assert opened(grey).rgb()[0, :, 0].tolist() == [0x12, 0xFE]
    keyed = png(2, 1, 16, 0, b"\0" + struct.pack(">HH", 0x1234, 0xFEDC), chunk(b"tRNS", b"\x12\x34"))
    assert opened(keyed).rgb()[0, :, 0].tolist() == [0xFF, 0xFE]
    rgb = png(1, 1, 16, 2, b"\0" + struct.pack(">HHH", 0x1234, 0x5678, 0xFEDC))
    assert opened(rgb).rgb()[0, 0].tolist() == [0x12, 0x56, 0xFE]
    rgba = png(1, 1, 16, 6, b"\0" + struct.pack(">HHHH", 0x1234, 0x5678, 0xFEDC, 0))
    assert opened(rgba).rgb()[0, 0].tolist() == [255, 255, 255]
    grey_alpha = png(1, 1, 16, 4, b"\0" + struct.pack(">HH", 0x1234, 0xFFFF))
    assert opened(grey_alpha).rgb()[0, 0].tolist() == [0x12] * 3


def test_png_transparent_colour_of_16_bits() -> None:
    rows = b"\0" + struct.pack(">6H", 0x8000, 0x4000, 0x2000, 0x0100, 0x0200, 0x0300)
    key = chunk(b"tRNS", struct.pack(">3H", 0x8000, 0x4000, 0x2000))
    assert opened(png(2, 1, 16, 2, rows, key)).rgb()[0].tolist() == [[255, 255, 255], [1, 2, 3]]


def tiff(pixels: NDArray[np.generic], photometric: str = "minisblack") -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, photometric=photometric)
    return file.getvalue()


def test_tiff_of_16_bits() -> None:
    values = np.random.default_rng(2).integers(0, 65536, (5, 7, 3), np.uint16)
    np.testing.assert_array_equal(opened(tiff(values, "rgb")).rgb(), values >> 8)
    np.testing.assert_array_equal(opened(tiff(values[..., 0])).rgb()[..., 2], values[..., 0] >> 8)
    with pytest.raises(UnsupportedPicture, match="inverted"):
        opened(tiff(values[..., 0], "miniswhite"))


def test_animations_give_their_first_frame() -> None:
    red, blue = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    for format in ("GIF", "WEBP", "PNG", "TIFF"):
        options = {"lossless": True} if format == "WEBP" else {}
        data = saved(red, format, save_all=True, append_images=[blue], **options)
        assert opened(data).rgb()[4, 4].tolist() == [255, 0, 0], format


def test_mpo_of_phones() -> None:
    left = Image.fromarray(quarters())
    data = saved(left, "MPO", save_all=True, append_images=[left], quality=98, exif=exif_of(6).tobytes())
    picture = opened(data)
    assert (picture.format, picture.size_wh) == ("MPO", (HEIGHT, WIDTH))
    assert picture.rgb(at_least_wh=(5, 5)).shape == (9, 5, 3)


# Arrays


def test_arrays() -> None:
    grey = np.random.default_rng(3).integers(0, 256, (6, 5), np.uint8)
    rgb, rgba = np.dstack([grey, grey, 255 - grey]), np.dstack([grey, grey, grey, grey])
    thrice = np.repeat(grey[:, :, None], 3, 2)
    np.testing.assert_array_equal(opened(grey).rgb(), thrice)
    np.testing.assert_array_equal(opened(grey[:, :, None]).rgb(), thrice)
    np.testing.assert_array_equal(opened(rgb).rgb(), rgb)
    np.testing.assert_array_equal(opened(rgb[::-1, ::2]).rgb(), rgb[::-1, ::2])
    np.testing.assert_allclose(opened(rgba).rgb(), over_white(rgba), atol=1)
    np.testing.assert_array_equal(opened(grey > 99).rgb(), (thrice > 99) * 255)
    np.testing.assert_array_equal(opened(rgb.astype(">u2") * 257).rgb(), rgb)
    assert opened(rgb).format == "array"


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int8, object])
def test_arrays_of_other_numbers_are_refused(dtype: type) -> None:
    with pytest.raises(BadRequest, match=r"0\.\.255"):
        opened(np.zeros((4, 4, 3), dtype))


@pytest.mark.parametrize("shape", [(4,), (3, 4, 5), (4, 4, 2), (1, 4, 4, 3)])
def test_arrays_of_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadRequest, match=r"\(H, W\)"):
        opened(np.zeros(shape, np.uint8))


def test_empty_pictures() -> None:
    for source in (np.zeros((0, 4, 3), np.uint8), Image.new("RGB", (0, 5)), png(0, 3, 8, 2, b"")):
        with pytest.raises(PictureError):
            opened(source)


def test_the_answer_is_independent_of_its_source() -> None:
    array = quarters()
    pil = Image.fromarray(array.copy())
    for picture in (opened(array), opened(pil), opened(file_of("png"))):
        picture.rgb()[:] = 7
        np.testing.assert_array_equal(picture.rgb(), quarters())
    np.testing.assert_array_equal(array, quarters())


def test_a_pil_image_is_neither_changed_nor_closed() -> None:
    for mode in ("RGB", "P", "RGBA", "I;16"):
        pil = photo().convert("L").convert(mode) if mode == "I;16" else photo().convert(mode)
        pil.getexif()[0x0112] = 6
        before = (pil.mode, pil.size, pil.tobytes(), dict(pil.info), dict(pil.getexif()))
        opened(pil).rgb()
        assert (pil.mode, pil.size, pil.tobytes(), dict(pil.info), dict(pil.getexif())) == before


def test_one_picture_in_many_threads() -> None:
    pictures = [opened(file_of(name, orientation=6)) for name in WITH_EXIF]
    with Image.open(io.BytesIO(file_of("tiff", orientation=6))) as pil:
        pictures.append(opened(pil))
    expected = [p.rgb() for p in pictures]
    wrong: list[str] = []

    def work() -> None:
        for picture, pixels in zip(pictures, expected, strict=True):
            if not np.array_equal(picture.rgb(), pixels):
                wrong.append(picture.format)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# A JPEG at a reduced scale


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("size_wh", [(101, 67), (64, 64), (257, 129)])
@pytest.mark.parametrize("at_least_wh", [(1, 1), (13, 9), (26, 17), (32, 32), (51, 34), (52, 34), (101, 67), (999, 9)])
def test_a_jpeg_comes_reduced_but_never_too_small(
    size_wh: tuple[int, int], at_least_wh: tuple[int, int], orientation: int
) -> None:
    pixels = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    picture = opened(file_of("jpeg", pixels, orientation))
    height, width = picture.rgb(at_least_wh).shape[:2]
    full = picture.size_wh
    assert (width, height) in [(-(-full[0] // n), -(-full[1] // n)) for n in (1, 2, 4, 8)]
    assert width >= min(at_least_wh[0], full[0])
    assert height >= min(at_least_wh[1], full[1])
    halved = (-(-width // 2), -(-height // 2))
    fits = halved[0] > at_least_wh[0] and halved[1] > at_least_wh[1]
    assert not fits or width == -(-full[0] // 8), "a smaller scale would have done"


def test_a_reduced_jpeg_shows_the_same() -> None:
    reduced = opened(file_of("jpeg", quarters(160, 240), 6)).rgb((60, 90))
    assert reduced.shape == (120, 80, 3)
    np.testing.assert_allclose(reduced[::79, ::79][:2, :2], UPRIGHT[6](quarters(2, 2)), atol=12)


def test_other_formats_come_whole() -> None:
    assert opened(file_of("png")).rgb((1, 1)).shape == (HEIGHT, WIDTH, 3)


# Damage


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FILES)
def test_truncated_files(name: str) -> None:
    """Each either decodes or is a ``PictureError``; of half a file no reader makes a picture."""
    data = file_of(name, np.random.default_rng(4).integers(0, 256, (40, 40, 3), np.uint8))
    for twentieth in range(20):
        try:
            opened(data[: len(data) * twentieth // 20]).rgb()
        except PictureError:
            continue
        assert twentieth > 15


SEEDS = {name: file_of(name, quarters(12, 12)) for name in FILES}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FILES)
@settings(max_examples=150, deadline=None)
@given(flips=st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 255)), min_size=1, max_size=8))
def test_flipped_bytes_raise_nothing_else(name: str, flips: list[tuple[float, int]]) -> None:
    data = bytearray(SEEDS[name])
    for place, flip in flips:
        data[int(place * len(data))] ^= flip
    try:
        pixels = decode.open_picture(data, max_bytes=1 << 20, max_pixels=1 << 16).rgb()
    except InputError:
        return
    assert pixels.ndim == 3


@pytest.mark.parametrize("error", [SyntaxError, ValueError, struct.error, EOFError, IndexError, zlib.error, TypeError])
def test_any_exception_of_a_decoder_is_a_picture_error(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    picture = opened(file_of("png"))

    def fail(_: object) -> None:
        raise error("inside the decoder")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
    with pytest.raises(PictureError, match="inside the decoder"):
        picture.rgb()


def test_no_memory_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = opened(file_of("png"))

    def fail(_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
    with pytest.raises(TooLarge, match="memory"):
        picture.rgb()


# Limits


def test_a_huge_header_is_refused_before_decoding() -> None:
    for size in ((30_000, 30_000), (2_000_000, 3)):
        with pytest.raises(TooLarge, match=rf"{size[0]} x {size[1]}"):
            opened(png(*size, 8, 2, b""))


def test_pixel_limit_is_exact() -> None:
    for source in (file_of("png"), file_of("tiff", orientation=6), quarters(), Image.fromarray(quarters())):
        decode.open_picture(source, max_bytes=1 << 20, max_pixels=HEIGHT * WIDTH)
        with pytest.raises(TooLarge, match="MASKERY_MAX_PIXELS"):
            decode.open_picture(source, max_bytes=1 << 20, max_pixels=HEIGHT * WIDTH - 1)


def test_byte_limit(tmp_path: Path) -> None:
    data, path = file_of("png"), tmp_path / "picture.png"
    path.write_bytes(data)
    for source in (data, bytearray(data), memoryview(data), path, str(path)):
        np.testing.assert_array_equal(
            decode.open_picture(source, max_bytes=len(data), max_pixels=1000).rgb(), quarters()
        )
        with pytest.raises(TooLarge, match="MASKERY_MAX_BYTES"):
            decode.open_picture(source, max_bytes=len(data) - 1, max_pixels=1000)


def test_paths_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.png", "nul\0byte"):
        with pytest.raises(BadRequest, match="cannot be read"):
            opened(path)


def test_endless_devices_are_too_large() -> None:
    if not Path("/dev/zero").exists():
        pytest.skip("no /dev/zero here")
    with pytest.raises(TooLarge):
        decode.open_picture("/dev/zero", max_bytes=1000, max_pixels=1000)


@pytest.mark.parametrize("limit", [HEIGHT * WIDTH - 1, 10])
def test_pillows_own_limit_counts_until_switched_off(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Just above it Pillow warns (an error here), at twice the limit it raises."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    for name in ("png", "webp"):
        with pytest.raises(TooLarge, match="trust_own_pixel_limit"):
            opened(file_of(name))
    decode.trust_own_pixel_limit()
    assert opened(file_of("png")).size_wh == (WIDTH, HEIGHT)


# Files that are made to hurt


def gif(width: int, height: int, disposal: int, before: bytes = b"") -> bytes:
    control = b"!\xf9\x04" + bytes([disposal << 2]) + bytes(4)
    frame = b"," + struct.pack("<4H", 0, 0, width, height) + b"\0\x08\x02aa\0;"
    return b"GIF89a\x08\0\x08\0\0\0\0" + before + control + frame


@pytest.mark.parametrize(
    "before", [b"", b"!\x01\0\x01a\0", b"!\xff\x0bNETSCAPE2.0\0\x01a\0", b"!\xfe\0", b"\0\0!\xfe\x01a\0"]
)
def test_gif_frame_larger_than_its_screen(before: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(TooLarge, match="65535 x 65535"):
        opened(gif(65535, 65535, 2, before))
    picture = opened(gif(30, 20, 2, before))
    with Image.open(io.BytesIO(gif(30, 20, 2, before))) as pil:
        assert picture.size_wh == pil.size == (30, 20)


def webp(name: bytes, content: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(content) + 12) + b"WEBP" + name + struct.pack("<I", len(content)) + content


@pytest.mark.parametrize(
    "data",
    [
        webp(b"VP8X", bytes(4) + 2 * (16383).to_bytes(3, "little")),
        webp(b"VP8L", b"\x2f" + struct.pack("<I", 16382 | 16382 << 14) + bytes(8)),
        webp(b"VP8 ", b"\x10\0\0\x9d\x01\x2a" + struct.pack("<HH", 16383, 16383)),
    ],
)
def test_huge_webp_is_refused_before_its_canvas_is_made(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(TooLarge, match="1638"):
        opened(data)


@functools.cache
def bombs() -> dict[str, bytes]:
    """Files of at most some MB that would cost Pillow far more memory or time."""
    plain = png(1, 1, 8, 0, b"\0\0")
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(50_000_000)))
    jpeg = file_of("jpeg")
    scans = saved(Image.fromarray(quarters()), "JPEG", progressive=True)
    last = scans.rindex(b"\xff\xda")
    head = b"GIF89a\x08\0\x08\0\0\0\0"
    return {
        "compressed text": plain[:33] + text + plain[33:],
        "colour profile": plain[:33] + text.replace(b"zTXt", b"iCCP") + plain[33:],
        "chunks": plain[:33] + chunk(b"teSt", b"") * 200_000 + plain[33:],
        "segments": jpeg[:2] + b"\xff\xe5\0\x02" * 200_000 + jpeg[2:],
        "filling": jpeg[:2] + b"\xff" * 200_000 + jpeg[2:],
        "junk": jpeg[:2] + bytes(200_000) + jpeg[2:],
        "scans": scans[:-2] + scans[last:-2] * 200 + scans[-2:],
        "extensions": head + b"!\x01\0\0" * 200_000,
        "comment": head + b"!\xfe" + b"\x01a" * 200_000,
        "no frame": head + b"\x01" * 200_000,
        "tile": tile_bomb(),
    }


def tile_bomb() -> bytes:
    packed = zlib.compress(bytes(1 << 20))
    tags = {256: 8, 257: 8, 258: 8, 259: 8, 262: 1, 277: 1, 322: 30_000, 323: 30_000, 324: 200, 325: len(packed)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    directory = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    return directory.ljust(200, b"\0") + packed


@pytest.mark.parametrize("name", bombs())
def test_bombs(name: str) -> None:
    with pytest.raises(PictureError) as caught:
        opened(bombs()[name])
    assert caught.value.cure


# What is no picture


@pytest.mark.parametrize(
    ("data", "kind", "cure"),
    [
        (b"", "empty", "Send the bytes"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC", "Save it as JPEG"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(100), "HEIC", "Save it as JPEG"),
        (b"%PDF-1.7\n", "PDF", "Export the page"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG", "Export it"),
        (b"<?xml version='1.0'?><svg/>", "SVG", "Export it"),
        (b"\xef\xbb\xbf  <!DOCTYPE html><html>", "HTML", "Fetch the picture"),
        (b'{"image": "..."}', "JSON", "base64"),
        (b"data:image/png;base64,iVBOR", "data URL", "base64"),
        (b"PK\x03\x04rest", "zip", "Unpack"),
        (b"no picture at all", "no picture", "JPEG, PNG, WebP, GIF, BMP, TIFF and AVIF"),
        (saved(Image.new("RGB", (4, 4)), "PPM"), "no picture", "JPEG, PNG, WebP"),
        (saved(Image.new("RGB", (16, 16)), "ICO"), "no picture", "JPEG, PNG, WebP"),
    ],
)
def test_other_files_are_named_with_a_cure(data: bytes, kind: str, cure: str) -> None:
    with pytest.raises(PictureError) as caught:
        opened(data)
    assert kind in caught.value.message
    assert cure in caught.value.cure
    assert isinstance(caught.value, UnsupportedPicture) == bool(data)


def test_upright_agrees_with_pillow() -> None:
    for orientation in range(1, 9):
        with Image.open(io.BytesIO(file_of("webp", orientation=orientation))) as pil:
            expected = np.asarray(ImageOps.exif_transpose(pil))
        np.testing.assert_array_equal(opened(file_of("webp", orientation=orientation)).rgb(), expected)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (file_of("jpeg"), Image.Image),
        (file_of("jpeg", orientation=6), np.ndarray),
        (saved(Image.new("RGBA", (9, 7), (200, 10, 30, 40)), "PNG"), np.ndarray),
        (saved(Image.new("RGB", (9, 7), (200, 10, 30)), "PNG", transparency=(200, 10, 30)), np.ndarray),
        (Image.fromarray(quarters()), Image.Image),
        (quarters(), np.ndarray),
    ],
)
def test_pixels_are_pillows_own_where_nothing_is_to_be_done(data: Source, kind: type) -> None:
    picture = opened(data)
    pixels = picture.pixels()
    assert isinstance(pixels, kind)
    np.testing.assert_array_equal(np.asarray(pixels), picture.rgb())


def test_the_header_of_a_file_is_opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    opened_files = 0
    original = decode.open_lazily

    def counted(data: bytes) -> Image.Image:
        nonlocal opened_files
        opened_files += 1
        return original(data)

    monkeypatch.setattr(decode, "open_lazily", counted)
    picture = opened(saved(photo().convert("P"), "PNG"))
    assert (picture.header.mode, picture.header.transparent, picture.header.why_whole) == ("P", False, "")
    facts_of(picture)
    assert opened_files == 1


@pytest.mark.parametrize("kind", ["file", "PIL", "array"])
def test_a_picture_pickles(kind: str) -> None:
    sources = {"file": saved(photo(), "PNG"), "PIL": photo(), "array": np.asarray(photo())}
    picture = opened(sources[kind])
    again = pickle.loads(pickle.dumps(picture))
    assert again == picture
    np.testing.assert_array_equal(again.rgb(), picture.rgb())


def test_a_jpeg_without_its_end_marker_is_whole_and_a_cut_one_is_not() -> None:
    for options in ({}, {"progressive": True}, {"subsampling": 0, "quality": 95}):
        file = io.BytesIO()
        Image.fromarray(material.photo("chelsea")).save(file, "JPEG", **options)
        data = file.getvalue()
        expected = decode.open_picture(data, max_bytes=1 << 24, max_pixels=1 << 24).rgb()
        for less in (1, 2):
            found = decode.open_picture(data[:-less], max_bytes=1 << 24, max_pixels=1 << 24)
            np.testing.assert_array_equal(found.rgb(), expected)
            assert found.header.why_whole
        for less in (6, 40, 500, len(data) // 2):
            with pytest.raises(PictureError, match="damaged or cut off"):
                decode.open_picture(data[:-less], max_bytes=1 << 24, max_pixels=1 << 24).rgb()


@pytest.mark.parametrize(
    ("pixels", "more", "says"),
    [
        (np.zeros((40, 50, 4), np.uint16), {"photometric": "minisblack"}, "4 bands of 16 bits, compression 1"),
        (np.zeros((40, 50, 2), np.uint16), {"photometric": "minisblack"}, "2 bands of 16 bits"),
        (np.zeros((40, 50), np.float64), {}, "1 band of 64 bits floating point"),
        (np.zeros((40, 50), np.float16), {}, "1 band of 16 bits floating point"),
        (np.zeros((40, 50, 3), np.float32), {"photometric": "minisblack"}, "3 bands of 32 bits floating point"),
    ],
)
def test_tiffs_of_other_pixels_are_unsupported_and_say_which(
    pixels: NDArray[np.generic], more: dict[str, str], says: str
) -> None:
    tifffile = pytest.importorskip("tifffile")
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, planarconfig="contig", **more)
    with pytest.raises(UnsupportedPicture, match=says) as caught:
        decode.open_picture(file.getvalue(), max_bytes=1 << 24, max_pixels=1 << 24).rgb()
    assert "--bands" in caught.value.cure


def test_heic_is_read_with_its_extra_and_refused_with_its_cure_without(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = b"\0\0\0\x18ftypheic" + bytes(40)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    decode._reads_heif.cache_clear()
    with pytest.raises(UnsupportedPicture, match="HEIC") as caught:
        decode.open_picture(fake, max_bytes=1 << 24, max_pixels=1 << 24)
    assert "maskery[heic]" in caught.value.cure
    monkeypatch.undo()
    decode._reads_heif.cache_clear()
    heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    heif.from_pillow(Image.fromarray(material.photo("chelsea"))).save(file, quality=95)
    found = decode.open_picture(file.getvalue(), max_bytes=1 << 24, max_pixels=1 << 24)
    assert found.format == "HEIF"
    assert np.abs(found.rgb().astype(int) - material.photo("chelsea")).mean() < 4
    with pytest.raises(PictureError):
        decode.open_picture(fake, max_bytes=1 << 24, max_pixels=1 << 24).rgb()
