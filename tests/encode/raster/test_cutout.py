import numpy as np
import pytest

from maskery.core.errors import BadRequest
from maskery.encode.raster.cutout import encode_cutout
from tests.encode.results import PALETTE, foreground, halves, opened, photo, semantic

SCENE = ("sky", "cat", "dog")


def test_background_is_transparent_and_black() -> None:
    ids = halves(300, 400)
    picture = photo(ids.shape)
    found = opened(encode_cutout(semantic(ids), picture))
    assert found.mode == "RGBA"
    rgba = np.asarray(found)
    np.testing.assert_array_equal(rgba[..., 3], np.where(ids > 0, 255, 0))
    np.testing.assert_array_equal(rgba[ids > 0][:, :3], picture[ids > 0])
    assert not rgba[ids == 0].any()


def test_foreground_keeps_its_soft_edge() -> None:
    alpha = np.arange(256, dtype=np.uint8).reshape(16, 16)
    picture = photo(alpha.shape)
    rgba = np.asarray(opened(encode_cutout(foreground(alpha), picture)))
    np.testing.assert_array_equal(rgba[..., 3], alpha)
    np.testing.assert_array_equal(rgba[alpha > 0][:, :3], picture[alpha > 0])


def test_without_background_classes_must_have_been_chosen() -> None:
    result = semantic(halves(), SCENE, PALETTE)
    picture = photo((12, 16))
    with pytest.raises(BadRequest, match=r"all would be kept.*Say which classes.*sky, cat, dog"):
        encode_cutout(result, picture)
    rgba = np.asarray(opened(encode_cutout(result.keep(["cat"]), picture)))
    np.testing.assert_array_equal(rgba[..., 3], np.where(halves() == 1, 255, 0))


def test_a_kept_class_that_fills_the_picture() -> None:
    result = semantic(np.ones((4, 4), np.uint8), SCENE, PALETTE).keep(["cat"])
    assert np.asarray(opened(encode_cutout(result, photo((4, 4)))))[..., 3].min() == 255
