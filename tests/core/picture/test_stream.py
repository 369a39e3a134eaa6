"""Rows read one after another are those of the whole picture; damage and hostile files are errors there too."""

import io
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from maskery.core.errors import MissingExtra, PictureError
from maskery.core.picture import headers, stream
from maskery.core.picture.decode import Picture, open_picture
from tests.material import encoded, photo

ASTRONAUT = Image.fromarray(photo("astronaut")[:301, :403])
GREY = ASTRONAUT.convert("L")


def opened(source: bytes | NDArray[np.uint8] | Image.Image) -> Picture:
    return open_picture(source, max_bytes=1 << 24, max_pixels=1 << 24)


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def transparent(image: Image.Image) -> Image.Image:
    """With an alpha that falls from left to right."""
    with_alpha = image.copy()
    with_alpha.putalpha(Image.fromarray(np.tile(np.arange(403) % 256, (301, 1)).astype(np.uint8)))
    return with_alpha


FILES = {
    "RGB": saved(ASTRONAUT, "PNG"),
    "grey": saved(GREY, "PNG"),
    "black and white": saved(GREY.convert("1"), "PNG"),
    "RGBA": saved(transparent(ASTRONAUT), "PNG"),
    "grey and alpha": saved(transparent(GREY), "PNG"),
    "palette": saved(ASTRONAUT.quantize(16), "PNG", bits=4),
    "palette with a transparent colour": saved(ASTRONAUT.quantize(64), "PNG", transparency=3),
    "grey with a transparent value": saved(GREY, "PNG", transparency=100),
    "16-bit grey": saved(Image.fromarray(np.asarray(GREY).astype(np.uint16) * 257 - 3), "PNG"),
    "JPEG 4:2:0": saved(ASTRONAUT, "JPEG"),
    "JPEG 4:4:4": saved(ASTRONAUT, "JPEG", quality=95, subsampling=0),
    "progressive JPEG": saved(ASTRONAUT, "JPEG", progressive=True),
    "grey JPEG": saved(GREY, "JPEG"),
    "CMYK JPEG": saved(ASTRONAUT.convert("CMYK"), "JPEG"),
    "TIFF": saved(ASTRONAUT, "TIFF"),
    "TIFF, LZW": saved(ASTRONAUT, "TIFF", compression="tiff_lzw"),
    "TIFF, deflated": saved(GREY, "TIFF", compression="tiff_adobe_deflate"),
    "TIFF, JPEG": saved(ASTRONAUT, "TIFF", compression="jpeg"),
}


@pytest.mark.parametrize("name", FILES)
def test_the_rows_are_those_of_the_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BAND_BYTES", 1 << 15)
    picture = opened(FILES[name])
    assert picture.header.why_whole == ""
    bands = list(stream.rows(picture))
    assert len(bands) > 5
    assert all(band.dtype == np.uint8 for band in bands)
    np.testing.assert_array_equal(np.concatenate(bands), picture.rgb())


@pytest.mark.parametrize("reduce", [2, 4, 8])
def test_a_reduced_jpeg_is_pillows_without_its_last_partial_pixel(reduce: int) -> None:
    data = FILES["JPEG 4:2:0"]
    rows = np.concatenate(list(stream.rows(opened(data), reduce)))
    with Image.open(io.BytesIO(data)) as image:
        image.draft(None, (403 // reduce, 301 // reduce))
        whole = np.asarray(image)
    assert rows.shape == (301 // reduce, 403 // reduce, 3)
    np.testing.assert_array_equal(rows, whole[: len(rows), : rows.shape[1]])


def test_arrays_and_pil_images_need_no_copy_of_the_whole() -> None:
    array = photo("astronaut")
    rgba = np.dstack([array, array[..., 0]])
    for source in (array, array[..., 0], rgba, Image.fromarray(rgba)):
        picture = opened(source)
        np.testing.assert_array_equal(np.concatenate(list(stream.rows(picture))), picture.rgb())


def test_rows_come_as_they_are_stored() -> None:
    exif = Image.Exif()
    exif[274] = 6
    picture = opened(saved(ASTRONAUT, "PNG", exif=exif))
    assert picture.size_wh == (301, 403)
    assert stream.stored_wh(picture) == (403, 301)
    stored = np.concatenate(list(stream.rows(picture)))
    np.testing.assert_array_equal(np.rot90(stored, -1), picture.rgb())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (saved(ASTRONAUT, "WEBP"), "WEBP"),
        (saved(transparent(ASTRONAUT), "TIFF"), "TIFF of mode RGBA"),
        (saved(GREY.convert("1"), "TIFF"), "TIFF of mode 1"),
        (saved(ASTRONAUT, "TIFF", tiffinfo={274: 3}), "turned"),
    ],
)
def test_what_is_decoded_as_a_whole_is_said(data: bytes, reason: str) -> None:
    assert reason in opened(data).header.why_whole


def test_an_interlaced_png_is_decoded_as_a_whole() -> None:
    vips = pytest.importorskip("pyvips")
    image = vips.Image.new_from_array(photo("astronaut"))
    assert "interlaced" in opened(image.pngsave_buffer(interlace=True)).header.why_whole


def test_a_tiff_of_one_large_strip_is_decoded_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headers, "STRIP_BYTES_AT_MOST", 10_000)
    data = saved(ASTRONAUT, "TIFF", tiffinfo={278: 301})
    assert "few large strips" in opened(data).header.why_whole


def _cut_off() -> Iterator[bytes]:
    for name in ("RGB", "JPEG 4:2:0", "progressive JPEG", "TIFF, LZW"):
        yield FILES[name][: int(len(FILES[name]) * 0.7)]
    broken = bytearray(FILES["RGB"])
    broken[len(broken) // 2] ^= 0xFF
    yield bytes(broken)


def test_damaged_files_are_picture_errors() -> None:
    for data in _cut_off():
        with pytest.raises(PictureError, match="damaged or cut off"):
            list(stream.rows(opened(data)))


def test_other_loaders_of_libvips_are_blocked() -> None:
    vips = pytest.importorskip("pyvips")
    assert stream.available()
    with pytest.raises(vips.Error, match="not in a known format"):
        vips.Image.new_from_buffer(encoded(photo("astronaut"), "WEBP"), "")


def test_a_missing_extra_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stream._vips.cache_clear()
    monkeypatch.setitem(sys.modules, "pyvips", None)
    assert not stream.available()
    with pytest.raises(MissingExtra, match=r"maskery\[huge\]"):
        next(stream.rows(opened(FILES["RGB"])))
