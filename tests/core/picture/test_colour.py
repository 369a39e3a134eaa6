"""Colour profiles are converted to sRGB in every way that pixels are read; sRGB and broken profiles change nothing."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from maskery.core.picture import colour, stream
from maskery.core.picture.decode import Picture, open_picture
from tests.material import photo

PICTURE = Image.fromarray(photo("chelsea")[:120, :160])
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def with_primaries(*xy: float) -> bytes:
    """sRGB's profile with other primaries, Display P3's say: their XYZ written over those of the file."""
    white = np.array([0.9642, 1.0, 0.8249])
    points = np.array(xy).reshape(3, 2)
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in points]).T
    # D65's chromaticities, adapted to the profile's D50 by scaling rows: good enough for a test.
    d65 = np.array([0.9505, 1.0, 1.089])
    scaled = columns * np.linalg.solve(columns, d65) * (white / d65)[:, None]
    data = bytearray(SRGB)
    count = int.from_bytes(data[128:132], "big")
    for i in range(count):
        name = bytes(data[132 + 12 * i : 136 + 12 * i])
        place = int.from_bytes(data[136 + 12 * i : 140 + 12 * i], "big")
        if name in (b"rXYZ", b"gXYZ", b"bXYZ"):
            for j, value in enumerate(scaled[:, b"rgb".index(name[:1])]):
                data[place + 8 + 4 * j : place + 12 + 4 * j] = round(float(value) * 65536).to_bytes(
                    4, "big", signed=True
                )
    return bytes(data)


P3 = with_primaries(0.68, 0.32, 0.265, 0.69, 0.15, 0.06)


def opened(source: bytes | Image.Image) -> Picture:
    return open_picture(source, max_bytes=1 << 24, max_pixels=1 << 24)


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def expected(image: Image.Image, profile: bytes = P3) -> NDArray[np.uint8]:
    """By ImageCms itself."""
    found = ImageCms.profileToProfile(
        image,
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        outputMode="RGB",
    )
    assert found is not None
    return np.asarray(found)


def test_a_wide_profile_moves_colours_and_srgb_none() -> None:
    assert colour.moving(P3) == P3
    assert colour.moving(SRGB) == b""
    for nothing in (None, b"", b"no profile", SRGB[:200], bytes(5 << 20), "text"):
        assert colour.moving(nothing) == b""
    assert np.abs(expected(PICTURE).astype(int) - np.asarray(PICTURE)).max() > 8


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_files_come_in_srgb(format: str) -> None:
    lossless = {"lossless": True} if format == "WEBP" else {}
    data = saved(PICTURE, format, icc_profile=P3, **lossless)
    stored = Image.open(io.BytesIO(data)).convert("RGB")
    picture = opened(data)
    np.testing.assert_array_equal(picture.rgb(), expected(stored))
    plain = opened(saved(PICTURE, format, icc_profile=SRGB, **lossless))
    assert plain.header.profile == b""
    np.testing.assert_array_equal(plain.rgb(), np.asarray(stored))


def test_turned_transparent_and_in_memory() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    data = saved(PICTURE, "JPEG", icc_profile=P3, exif=turned)
    stored = Image.open(io.BytesIO(data)).convert("RGB")
    np.testing.assert_array_equal(opened(data).rgb(), np.rot90(expected(stored), -1))
    clear = PICTURE.convert("RGBA")
    clear.putalpha(Image.new("L", PICTURE.size, 128))
    white = Image.new("RGB", PICTURE.size, "white")
    white.paste(clear, mask=clear)
    np.testing.assert_array_equal(opened(saved(clear, "PNG", icc_profile=P3)).rgb(), expected(white))
    memory = PICTURE.copy()
    memory.info["icc_profile"] = P3
    np.testing.assert_array_equal(opened(memory).rgb(), expected(PICTURE))
    assert memory.info["icc_profile"] == P3


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF"])
def test_rows_come_in_srgb_too(format: str) -> None:
    if not stream.available():
        pytest.skip("libvips is not installed")
    data = saved(PICTURE, format, icc_profile=P3)
    rows = np.concatenate(list(stream.rows(opened(data))))
    np.testing.assert_array_equal(rows, opened(data).rgb())


def test_a_profile_of_other_pixels_says_nothing() -> None:
    grey = PICTURE.convert("L")
    np.testing.assert_array_equal(opened(saved(grey, "PNG", icc_profile=P3)).rgb(), expected(grey.convert("RGB")))
    palette = PICTURE.quantize(32)
    found = opened(saved(palette, "PNG", icc_profile=P3)).rgb()
    np.testing.assert_array_equal(found, expected(palette.convert("RGB")))
