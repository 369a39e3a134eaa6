from pathlib import Path

import numpy as np
import pytest

from maskery.core.arrays import Mask
from maskery.core.result.instances import crop_mask
from maskery.datasets.base import read_rgb
from maskery.datasets.object_masks import open_objects
from maskery.training.prompt_crops import PromptCrops, SquareWindow, whole_window, window_around
from maskery.training.recipe import load_recipe
from tests.training.prompt_toys import write_recipe


@pytest.fixture(scope="module")
def recipe_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recipe(tmp_path_factory.mktemp("crops"))


def square() -> Mask:
    mask = np.zeros((60, 80), np.bool_)
    mask[20:40, 30:60] = True
    return mask


def test_a_window_lies_around_its_object() -> None:
    mask = crop_mask(square())
    middle = window_around(mask, 2.0)
    assert middle == SquareWindow(15, 0, 60)
    assert middle.share_of(mask) == 1
    edge = window_around(mask, 2.0, (1.0, -1.0))
    assert edge.left == 30
    assert edge.top + edge.side == 40
    assert whole_window((80, 60)) == SquareWindow(0, -10, 80)


def test_masks_and_pictures_of_a_window_fit_and_are_padded() -> None:
    mask = square()
    window = SquareWindow(40, 30, 60)
    seen = window.mask(crop_mask(mask), 60)
    assert seen[:10, :20].all()
    assert seen.sum() == 200
    half = window.mask(crop_mask(mask), 30)
    assert half.sum() == pytest.approx(50, abs=8)
    assert window.mask(crop_mask(np.zeros_like(mask)), 30).sum() == 0
    assert window.share_of(crop_mask(mask)) == pytest.approx(200 / 600)


def test_crops_show_their_objects_at_the_same_place(recipe_path: Path) -> None:
    recipe = load_recipe(recipe_path)
    pictures = open_objects(recipe_path.parent / "discs", "train", "auto", 50)
    crops = PromptCrops(pictures, [1.0] * len(pictures), recipe)
    for i in range(len(crops)):
        image, objects = crops[i]
        assert image.shape == (3, 64, 64)
        assert objects.shape == (2, 32, 32)
        assert set(np.unique(objects)) <= {0, 1, 255}
        small = image[:, ::2, ::2].float().amax(0)
        for one in objects:
            inside = one == 1
            assert inside.any()
            assert small[inside].mean() > small[one == 0].mean() + 30
    again, objects_again = crops[0]
    image, objects = crops[0]
    assert (again == image).all()
    assert (objects_again == objects).all()
    assert crops.name(0) == pictures[int(crops.order[0])].path.stem


def test_what_lies_beyond_the_picture_is_grey(recipe_path: Path) -> None:
    picture = read_rgb(open_objects(recipe_path.parent / "discs", "train")[0].path)
    seen = np.asarray(SquareWindow(-20, 0, 80).picture(picture, 80))
    assert (seen[:, :18] == 127).all()
    np.testing.assert_array_equal(seen[:, 22:], np.asarray(picture)[:80, 2:60])
