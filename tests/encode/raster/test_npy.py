import io

import numpy as np

from maskery.core.result.capabilities import Result
from maskery.encode.raster.npz import encode_npy
from tests.encode.results import classification, foreground, halves, semantic


def loaded(result: Result) -> np.ndarray:
    return np.load(io.BytesIO(encode_npy(result)), allow_pickle=False)


def test_class_ids() -> None:
    found = loaded(semantic(halves()))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, halves())
    wide = halves().astype(np.uint16)
    assert loaded(semantic(wide)).dtype == np.uint16


def test_alpha_is_a_probability() -> None:
    found = loaded(foreground(np.array([[0, 51, 255]], np.uint8)))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[0, 0.2, 1]], rtol=1e-6)


def test_scores() -> None:
    np.testing.assert_array_equal(loaded(classification()), classification().scores)
