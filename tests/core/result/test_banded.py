"""A packed map is the map, also when it is turned."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageOps

from maskery.core.picture.orientation import turned
from maskery.core.result import banded
from maskery.core.result.banded import pack


@given(arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40))), st.integers(1, 12))
def test_rows_come_back_as_they_were(whole: np.ndarray, height: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(banded, "BLOCK_COLUMNS", 7)
        packed = pack(whole[top : top + height] for top in range(0, len(whole), height))
        assert packed.size_wh == whole.shape[::-1]
        np.testing.assert_array_equal(np.concatenate(list(packed.rows())), whole)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_it_turns_as_pillow_turns_pictures(orientation: int, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(banded, "BLOCK_COLUMNS", 8)
    monkeypatch.setattr(banded, "BAND_ROWS", 3)
    stored = np.random.default_rng(orientation).integers(0, 200, (37, 29)).astype(np.uint8)
    exif = Image.Exif()
    exif[274] = orientation
    file = io.BytesIO()
    Image.fromarray(stored).save(file, "PNG", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(file)))
    np.testing.assert_array_equal(turned(stored, orientation), expected)
    packed = pack(np.split(stored.astype(dtype), [5, 6, 20])).upright(orientation)
    assert packed.dtype == dtype
    assert packed.size_wh == expected.shape[::-1]
    np.testing.assert_array_equal(np.concatenate(list(packed.rows())), expected)


def test_large_areas_take_little() -> None:
    band = np.zeros((256, 10_000), np.uint8)
    band[:, 5000:] = 3
    packed = pack(band for _ in range(8))
    assert packed.nbytes < 0.01 * 8 * band.size
