from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from maskery.core.labels import IGNORE
from maskery.training import augment
from maskery.training.augment import PAD_GREY
from maskery.training.recipe import Data, TrainingSource, load_recipe
from maskery.training.tasks import open_job


def recipe_data(low: float, high: float, jitter: float = 0.0) -> Data:
    source = TrainingSource(path="x", split="y")
    return Data(
        root="", labels="voc", train=[source], validate=source, crop=64, scale=(low, high), colour_jitter=jitter
    )


def random_crop(
    image: Image.Image, mask: NDArray[np.uint8], data: Data, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    crop, target = augment.cut(image, mask, augment.random_window(image.size, data, rng), data, None)
    return np.asarray(augment.recolour(crop, data.colour_jitter, rng)), np.asarray(target)


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


def test_turned_pictures_keep_their_masks() -> None:
    mask = np.zeros((90, 120), np.uint8)
    mask[:, 60:], mask[45:, :60] = 1, 2
    image = np.eye(3, dtype=np.uint8)[mask] * 200
    data = msgspec.structs.replace(recipe_data(0.6, 1.2), rotate=30.0)
    for seed in range(20):
        crop, target = random_crop(Image.fromarray(image), mask, data, np.random.default_rng(seed))
        colours = crop.reshape(32, 2, 32, 2, 3).mean((1, 3))
        inside = (target != IGNORE) & (colours.max(2) > 190)
        assert (colours.argmax(2)[inside] == target[inside]).mean() > 0.99
        assert inside.sum() > 100


def test_left_and_right_change_places_in_the_mirror() -> None:
    """The picture's left half is class 1 ("left eye"), red; in the mirror that half is class 2."""
    mask = np.full((64, 64), 1, np.uint8)
    mask[:, 32:] = 2
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, :32, 0] = 200
    swap = np.arange(256, dtype=np.uint8)
    swap[[1, 2]] = swap[[2, 1]]
    seen = set()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        data = recipe_data(1, 1)
        crop, target = augment.cut(Image.fromarray(image), mask, augment.random_window((64, 64), data, rng), data, swap)
        assert np.asarray(target)[0, 0] == 1
        seen.add(int(np.asarray(crop)[0, 0, 0]))
    assert seen == {0, 200}


def test_a_pasted_object_is_in_picture_and_mask_alike() -> None:
    mask = np.zeros((60, 80), np.uint8)
    mask[10:40, 20:70] = 5
    image = np.zeros((60, 80, 3), np.uint8)
    image[mask == 5] = (0, 255, 0)
    for seed in range(10):
        crop, target = Image.new("RGB", (64, 64), (255, 0, 0)), Image.new("L", (32, 32), 0)
        augment.paste_object(crop, target, Image.fromarray(image), mask, 5, 0.5, np.random.default_rng(seed))
        green = np.asarray(crop)[::2, ::2, 1] > 127
        found = np.asarray(target) == 5
        assert 100 < found.sum() < 220
        assert (green != found).mean() < 0.08


def test_a_class_that_is_not_there_changes_nothing() -> None:
    crop, target = Image.new("RGB", (64, 64)), Image.new("L", (32, 32))
    augment.paste_object(
        crop, target, Image.new("RGB", (9, 9)), np.zeros((9, 9), np.uint8), 5, 0.5, np.random.default_rng(0)
    )
    assert not np.asarray(target).any()


def test_a_classifiers_picture_is_shifted_and_erased() -> None:
    image = Image.new("RGB", (32, 32), (200, 0, 0))
    data = msgspec.structs.replace(recipe_data(1, 1), erase=0.5)
    for seed in range(8):
        seen = np.asarray(augment.random_picture(image, data, np.random.default_rng(seed)))
        assert seen.shape == (64, 64, 3)
        grey = (seen == PAD_GREY).all(2).mean()
        assert 0.05 < grey <= 0.26


def test_cut_mix_says_what_share_of_the_pixels_is_the_others() -> None:
    shares = []
    for seed in range(40):
        image = Image.new("RGB", (48, 32), (255, 0, 0))
        shares.append(augment.cut_mix(image, Image.new("RGB", (48, 32), (0, 0, 255)), np.random.default_rng(seed)))
        assert (np.asarray(image)[..., 2] == 255).mean() == shares[-1]
    assert min(shares) < 0.1
    assert max(shares) > 0.6


def test_a_cut_mixed_pictures_classes_are_those_of_its_pixels(classifier: Path) -> None:
    recipe = load_recipe(classifier)
    wanted = msgspec.structs.replace(recipe.data, cut_mix=0.5, colour_jitter=0.0, scale=(1.0, 1.0), erase=0.0)
    recipe = msgspec.structs.replace(recipe, data=wanted)
    stream = open_job(recipe, Path(recipe.data.root)).stream
    mixed = 0
    for position in range(len(stream)):
        picture, shares = stream[position]
        assert shares.sum() == pytest.approx(1)
        red = (picture[0] > picture[2]).float().mean()
        expected = torch.stack([1 - red, red])  # blue, red
        torch.testing.assert_close(shares, expected, rtol=0, atol=0.05)
        mixed += shares.max() < 1
        again, same = stream[position]
        assert torch.equal(picture, again)
        assert torch.equal(shares, same)
    assert 0 < mixed < len(stream)
