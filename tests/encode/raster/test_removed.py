import numpy as np
import pytest

from maskery.core.errors import BadRequest
from maskery.core.picture.decode import open_picture
from maskery.core.picture.stream import PhotoRows
from maskery.encode.raster.cutout import Look, encode_cutout, encode_removed, encode_removed_mask, over, smoothed
from tests.encode.results import foreground, halves, opened, photo, pixels, semantic
from tests.encode.test_rowwise import RESULTS, SHAPE, in_bands
from tests.material import encoded

SOFT = np.random.default_rng(4).integers(0, 256, (300, 400), np.uint8)


def test_without_a_look_it_is_the_cutout() -> None:
    for result in (semantic(halves()), foreground(SOFT)):
        picture = photo(result.meta.frame.size_wh[::-1])
        assert encode_removed(result, picture, Look()) == encode_cutout(result, picture)


def test_the_mask_alone() -> None:
    ids = halves()
    assert opened(encode_removed_mask(semantic(ids), Look())).mode == "L"
    assert np.array_equal(pixels(encode_removed_mask(semantic(ids), Look())), np.where(ids != 0, 255, 0))
    assert np.array_equal(pixels(encode_removed_mask(foreground(SOFT), Look())), SOFT)
    assert np.array_equal(pixels(encode_removed_mask(foreground(SOFT), Look(smooth=True))), smoothed(SOFT))


def test_a_smooth_mask_and_a_colour_behind() -> None:
    picture, colour = photo(SOFT.shape), (250, 0, 3, 77)
    found = pixels(encode_removed(foreground(SOFT), picture, Look(colour=colour)))
    assert np.array_equal(found, over(SOFT, picture, colour))
    found = pixels(encode_removed(foreground(SOFT), picture, Look(True, colour)))
    assert np.array_equal(found, over(smoothed(SOFT), picture, colour))


def test_a_model_without_background_needs_a_choice() -> None:
    result = semantic(np.zeros((4, 5), np.uint8), labels=("road", "sky", "car"))
    with pytest.raises(BadRequest, match="no background"):
        encode_removed_mask(result, Look())


@pytest.mark.parametrize("kind", RESULTS)
@pytest.mark.parametrize("look", [Look(), Look(colour=(1, 2, 3, 200)), Look(smooth=True)], ids=str)
def test_from_bands_it_is_the_same(kind: str, look: Look) -> None:
    result, picture = RESULTS[kind], photo(SHAPE)
    rows = PhotoRows(open_picture(encoded(picture), max_bytes=1 << 24, max_pixels=1 << 24))
    assert encode_removed(in_bands(result), rows, look) == encode_removed(result, picture, look)
    assert encode_removed_mask(in_bands(result), look) == encode_removed_mask(result, look)
