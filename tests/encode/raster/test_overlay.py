import numpy as np
import pytest
from numpy.typing import NDArray

from maskery.encode.raster.overlay import encode_overlay, encode_overlay_jpeg
from tests.encode.results import PALETTE, foreground, halves, opened, photo, pixels, semantic


def reference(ids: NDArray[np.uint8], picture: NDArray[np.uint8], reach: int) -> NDArray[np.uint8]:
    """Pixel by pixel, as a reader of the docstring would write it."""
    height, width = ids.shape
    expected = picture.copy()
    for y, x in zip(*np.nonzero((ids > 0) & (ids < 3)), strict=True):
        around = [(y - reach, x), (y + reach, x), (y, x - reach), (y, x + reach)]
        border = any(0 <= v < height and 0 <= u < width and ids[v, u] != ids[y, x] for v, u in around)
        colour = np.array(PALETTE[ids[y, x]])
        expected[y, x] = colour if border else (colour + picture[y, x]) // 2
    return expected


@pytest.mark.parametrize(("height", "width", "reach"), [(12, 16, 1), (1, 1, 1), (1, 9, 1), (9, 1, 1), (90, 1000, 2)])
def test_blend_borders_and_untouched_background(
    height: int, width: int, reach: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maskery.encode.raster.png.BAND_BYTES", 3 * width * 2)  # two rows a band: seams everywhere
    ids = np.random.default_rng(1).integers(0, 4, (height // 4 + 1, width // 4 + 1)).astype(np.uint8)
    ids = np.ascontiguousarray(np.kron(ids, np.ones((4, 4), np.uint8))[:height, :width])
    ids[ids == 3] = 255
    picture = photo(ids.shape)
    found = pixels(encode_overlay(semantic(ids), picture))
    np.testing.assert_array_equal(found, reference(ids, picture, reach))
    plain = (ids == 0) | (ids == 255)
    np.testing.assert_array_equal(found[plain], picture[plain])


def test_a_model_without_background_is_drawn_everywhere() -> None:
    ids = np.zeros((8, 8), np.uint8)
    black = np.zeros((8, 8, 3), np.uint8)
    found = pixels(encode_overlay(semantic(ids, ("sky", "sea", "sun"), ((100, 50, 20),) * 3), black))
    assert found.reshape(-1, 3).tolist() == [[50, 25, 10]] * 64


def test_foreground_and_an_independent_photo() -> None:
    alpha, picture = halves() * 100, photo((12, 16))
    before = picture.copy()
    found = pixels(encode_overlay(foreground(alpha), picture))
    np.testing.assert_array_equal(found[alpha < 128], before[alpha < 128])
    np.testing.assert_array_equal(picture, before)


def test_jpeg_shows_the_same() -> None:
    ids = halves(64, 64)
    picture = np.full((64, 64, 3), 90, np.uint8)
    jpeg = opened(encode_overlay_jpeg(semantic(ids), picture))
    assert jpeg.format == "JPEG"
    exact = pixels(encode_overlay(semantic(ids), picture)).astype(int)
    assert np.abs(np.asarray(jpeg)[8::16, 8::16] - exact[8::16, 8::16]).mean() < 5
