from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from maskery.core.errors import BadRequest
from maskery.encode.options import PLAIN_OPTIONS, Options
from maskery.encode.raster import privacy
from tests.encode.results import PALETTE, foreground, halves, opened, photo, pixels, semantic

Function = Callable[..., bytes]
PNGS: list[Function] = [privacy.encode_blur, privacy.encode_pixelate, privacy.encode_replace]
JPEGS: list[Function] = [privacy.encode_blur_jpeg, privacy.encode_pixelate_jpeg, privacy.encode_replace_jpeg]


@pytest.mark.parametrize("function", PNGS)
@pytest.mark.parametrize("outside", [False, True])
def test_the_rest_stays_exactly_as_it_was(function: Function, outside: bool) -> None:
    ids = halves(300, 400)
    picture = photo(ids.shape)
    before = picture.copy()
    found = pixels(function(semantic(ids), picture, Options(outside=outside)))
    changed = (ids == 0) == outside
    np.testing.assert_array_equal(found[~changed], before[~changed])
    assert (found[changed] != before[changed]).any(-1).mean() > 0.9
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize("function", PNGS)
def test_only_the_chosen_classes(function: Function) -> None:
    ids = halves(90, 120)
    picture = photo(ids.shape)
    found = pixels(function(semantic(ids).keep(["cat"]), picture, PLAIN_OPTIONS))
    np.testing.assert_array_equal(found[ids != 1], picture[ids != 1])
    scene = semantic(ids, ("sky", "cat", "dog"), PALETTE)
    with pytest.raises(BadRequest, match="no background class, so all would be changed"):
        function(scene, picture, PLAIN_OPTIONS)
    found = pixels(function(scene.keep(["dog"]), picture, PLAIN_OPTIONS))
    np.testing.assert_array_equal(found[ids != 2], picture[ids != 2])
    assert (found[ids == 2] != picture[ids == 2]).any()


def means(picture: NDArray[np.uint8], side: int) -> NDArray[np.float64]:
    """Block by block, as a reader of the docstring would write it; a colour for every pixel."""
    found = np.zeros(picture.shape)
    for y in range(0, picture.shape[0], side):
        for x in range(0, picture.shape[1], side):
            block = picture[y : y + side, x : x + side]
            found[y : y + side, x : x + side] = block.reshape(-1, 3).mean(0)
    return found


@pytest.mark.parametrize(("shape", "side"), [((70, 90), 8), ((71, 95), 9), ((5, 3), 4), ((1, 1), 7)])
def test_pixelate_keeps_means_of_blocks(shape: tuple[int, int], side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maskery.encode.raster.png.BAND_BYTES", 3 * shape[1] * 10)  # many bands
    everything = semantic(np.ones(shape, np.uint8))
    picture = photo(shape)
    found = pixels(privacy.encode_pixelate(everything, picture, Options(strength=side)))
    assert np.abs(found - means(picture, side)).max() <= 1


def test_the_default_leaves_a_dozen_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = semantic(np.ones((600, 400), np.uint8))
    found = pixels(privacy.encode_pixelate(everything, photo((600, 400)), PLAIN_OPTIONS))
    assert len(np.unique(found.reshape(-1, 3), axis=0)) <= 12 * 8
    assert privacy.block_side(photo((600, 400)), PLAIN_OPTIONS) == 50
    assert privacy.block_side(photo((20, 20)), PLAIN_OPTIONS) == 8


def test_two_photos_with_the_same_means_are_blurred_to_the_same_picture() -> None:
    """So nothing but the means is left, which is what makes it irreversible."""
    first = photo((160, 240))
    blocks = first.reshape(8, 20, 12, 20, 3)
    second = np.ascontiguousarray(blocks[:, ::-1, :, ::-1]).reshape(first.shape)
    everything = semantic(np.ones((160, 240), np.uint8))
    assert not np.array_equal(first, second)
    for function in (privacy.encode_blur, privacy.encode_pixelate):
        assert function(everything, first, PLAIN_OPTIONS) == function(everything, second, PLAIN_OPTIONS)


def test_the_blur_has_neither_steps_nor_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    ramp = np.repeat(np.linspace(0, 255, 240).astype(np.uint8)[None, :, None], 160, 0).repeat(3, 2)
    everything = semantic(np.ones((160, 240), np.uint8))
    whole = privacy.encode_blur(everything, ramp, Options(strength=20))
    steps = np.diff(pixels(whole)[:, 10:230, 0].astype(int), axis=1)
    assert 0 <= steps.min() <= steps.max() <= 2
    monkeypatch.setattr("maskery.encode.raster.png.BAND_BYTES", 3 * 240 * 7)
    by_bands = pixels(privacy.encode_blur(everything, photo((160, 240)), PLAIN_OPTIONS)).astype(int)
    at_once = privacy.blurred(photo((160, 240)), PLAIN_OPTIONS)(0, 160)
    assert np.abs(by_bands - at_once).max() <= 1


def test_replace_fills_with_the_colour() -> None:
    found = pixels(privacy.encode_replace(semantic(halves()), photo((12, 16)), Options(color=(1, 200, 3))))
    assert (found[halves() > 0] == (1, 200, 3)).all()
    black = pixels(privacy.encode_replace(foreground(halves() * 100), photo((12, 16)), PLAIN_OPTIONS))
    assert not black[halves() * 100 >= 128].any()


@pytest.mark.parametrize(("png", "jpeg"), list(zip(PNGS, JPEGS, strict=True)))
def test_jpegs_show_the_same_without_metadata(png: Function, jpeg: Function) -> None:
    ids, picture = halves(64, 64), np.full((64, 64, 3), 90, np.uint8)
    found = opened(jpeg(semantic(ids), picture, PLAIN_OPTIONS))
    assert (found.format, found.getexif()) == ("JPEG", {})
    exact = pixels(png(semantic(ids), picture, PLAIN_OPTIONS)).astype(int)
    assert np.abs(np.asarray(found)[8::16, 8::16] - exact[8::16, 8::16]).mean() < 5
