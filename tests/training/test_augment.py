import numpy as np
from PIL import Image

from maskery.datasets.base import IGNORE
from maskery.training.augment import PAD_GREY, random_crop
from maskery.training.recipe import Data, Source


def recipe_data(low: float, high: float, jitter: float = 0.0) -> Data:
    source = Source(path="x", split="y")
    return Data(
        root="", labels="voc", train=[source], validate=source, crop=64, scale=(low, high), colour_jitter=jitter
    )


def test_picture_and_mask_stay_together() -> None:
    # Each class has a colour channel of its own: a crop keeps picture and mask aligned, or the test sees it.
    mask = np.zeros((90, 120), np.uint8)
    mask[:, 60:], mask[45:, :60] = 1, 2
    image = np.eye(3, dtype=np.uint8)[mask] * 200
    for seed in range(40):
        rng = np.random.default_rng(seed)
        crop, target = random_crop(Image.fromarray(image), mask, recipe_data(0.5, 2.0), rng)
        assert crop.shape == (64, 64, 3)
        assert target.shape == (32, 32)
        colours = crop.reshape(32, 2, 32, 2, 3).mean((1, 3))
        inside = (target != IGNORE) & (colours.max(2) > 190)
        assert (colours.argmax(2)[inside] == target[inside]).all()
        assert inside.sum() > 150


def test_outside_the_picture_is_grey_and_ignored() -> None:
    image = Image.new("RGB", (100, 50), (255, 0, 0))
    crop, target = random_crop(image, np.ones((50, 100), np.uint8), recipe_data(0.5, 0.5), np.random.default_rng(1))
    outside = target == IGNORE
    assert outside.mean() == 0.5
    assert (crop[::2, ::2][outside] == PAD_GREY).all()
    assert (target[~outside] == 1).all()


def test_the_same_generator_gives_the_same_crop() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8))
    mask = np.random.default_rng(1).integers(0, 5, (90, 120)).astype(np.uint8)
    first = random_crop(image, mask, recipe_data(0.5, 2, 0.4), np.random.default_rng(9))
    second = random_crop(image, mask, recipe_data(0.5, 2, 0.4), np.random.default_rng(9))
    other = random_crop(image, mask, recipe_data(0.5, 2, 0.4), np.random.default_rng(10))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], other[0])
