import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from maskery.encode.raster import png
from tests.encode.results import opened, pixels

shapes = st.tuples(st.integers(1, 24), st.integers(1, 24))
PALETTE = np.random.default_rng(5).integers(0, 256, (256, 3), np.uint8)


def noise(shape: tuple[int, ...], seed: int, high: int = 256, dtype: type = np.uint8) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, high, shape, dtype)


@settings(deadline=None)
@given(shape=shapes, seed=st.integers(0, 99), high=st.sampled_from([1, 2, 5, 256]))
def test_indexed_round_trip(shape: tuple[int, int], seed: int, high: int) -> None:
    ids = noise(shape, seed, high)
    picture = opened(png.indexed(ids, PALETTE))
    assert picture.mode == "P"
    np.testing.assert_array_equal(np.asarray(picture), ids)
    np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), PALETTE[ids])


@settings(deadline=None)
@given(shape=shapes, seed=st.integers(0, 99))
def test_grey_round_trip(shape: tuple[int, int], seed: int) -> None:
    for dtype, mode, high in ((np.uint8, "L", 256), (np.uint16, "I;16", 65536)):
        grey = noise(shape, seed, high, dtype)
        picture = opened(png.grey(grey))
        assert picture.mode == mode
        np.testing.assert_array_equal(np.asarray(picture), grey)


@settings(deadline=None)
@given(shape=shapes, seed=st.integers(0, 99), channels=st.sampled_from([3, 4]), rows=st.integers(1, 30))
def test_photo_round_trip_whatever_the_bands(shape: tuple[int, int], seed: int, channels: int, rows: int) -> None:
    colours = noise((*shape, channels), seed)
    bands = [colours[top : top + rows] for top in range(0, shape[0], rows)]
    np.testing.assert_array_equal(pixels(png.photo(bands, shape[::-1], channels)), colours)
    if channels == 3:
        np.testing.assert_array_equal(pixels(png.flat_colours(bands, shape[::-1])), colours)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300_000), (300_000, 1), (700, 900)])
def test_shapes_of_one_and_of_many_bands(shape: tuple[int, int]) -> None:
    ids = noise(shape, 7, 4)
    np.testing.assert_array_equal(pixels(png.indexed(ids, PALETTE)), ids)
    np.testing.assert_array_equal(pixels(png.grey(ids.astype(np.uint16) * 999)), ids.astype(np.uint16) * 999)


def test_views_need_not_be_contiguous() -> None:
    ids = noise((40, 50), 8)[::-2, ::3]
    np.testing.assert_array_equal(pixels(png.indexed(ids, PALETTE)), ids)


def test_the_file_is_in_order_chunk_by_chunk() -> None:
    """Pillow forgives much; so read it by the book."""
    data = png.indexed(noise((5, 6), 9), PALETTE)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    position, chunks = 8, list[tuple[bytes, bytes]]()
    while position < len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        content = data[position + 8 : position + 8 + length]
        assert struct.unpack_from(">I", data, position + 8 + length)[0] == zlib.crc32(name + content)
        chunks.append((name, content))
        position += length + 12
    names = [name for name, _ in chunks]
    assert names == [b"IHDR", b"PLTE"] + [b"IDAT"] * names.count(b"IDAT") + [b"IEND"]
    packed = b"".join(content for name, content in chunks if name == b"IDAT")
    assert len(zlib.decompress(packed)) == 5 * (6 + 1)


@given(a=st.integers(0, 255), b=st.integers(0, 255))
def test_mean_of_bytes(a: int, b: int) -> None:
    assert png.mean(np.array([a], np.uint8), np.array([b], np.uint8))[0] == (a + b) // 2
