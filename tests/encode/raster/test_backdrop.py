import numpy as np
import pytest

from maskery.encode.raster.cutout import over
from tests.encode.results import photo


@pytest.mark.parametrize("colour", [(255, 0, 10, 255), (255, 0, 10, 128), (1, 2, 3, 0), (0, 0, 0, 255)])
def test_the_photo_over_a_colour(colour: tuple[int, int, int, int]) -> None:
    alpha = np.arange(256, dtype=np.uint8).reshape(16, 16).repeat(5, axis=0)
    picture = photo(alpha.shape)
    above = alpha[:, :, None] / 255
    rest = (1 - above) * colour[3] / 255
    whole = above + rest
    mixed = (picture * above + np.array(colour[:3]) * rest) / np.maximum(whole, 1e-9)
    expected = np.concatenate([np.where(whole == 0, 0, mixed), 255 * whole], axis=2)
    assert np.abs(over(alpha, picture, colour).astype(float) - expected).max() <= 0.5001


def test_a_hard_mask_over_an_opaque_colour_is_a_choice() -> None:
    alpha = np.where(np.arange(64).reshape(8, 8) % 3 == 0, 255, 0).astype(np.uint8)
    picture = photo(alpha.shape)
    found = over(alpha, picture, (9, 8, 7, 255))
    assert np.array_equal(found[..., :3], np.where(alpha[:, :, None] == 255, picture, (9, 8, 7)))
    assert (found[..., 3] == 255).all()
