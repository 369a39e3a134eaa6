"""Steady classes: flicker is gone, moving things are where they are."""

from itertools import pairwise

import numpy as np
import pytest

from maskery.core.arrays import ClassMap, Mask
from maskery.inference.video.smoothing import PATIENCE, Smoother
from tests.films import Pixels, scene, see_classes

SIZE = (192, 64)
FRAMES = 60


def flickering(index: int, truth: ClassMap, random: np.random.Generator) -> ClassMap:
    """The truth with patches of another class that come for one to three frames, as weak models make them."""
    ids = truth.copy()
    for patch in range(6):
        if (index + 5 * patch) % 11 < 1 + patch % 3:
            top, left = 8 * patch % 56, 28 * patch
            ids[top : top + 7, left : left + 20] = 2
    ids[random.random(ids.shape) < 0.01] = 1
    return ids


def noisy(index: int, random: np.random.Generator) -> Pixels:
    grain = random.normal(0, 4, (SIZE[1], SIZE[0], 3))
    return (scene(index, SIZE) + grain).clip(0, 255).astype(np.uint8)


def overlap(ids: ClassMap, truth: ClassMap, number: int) -> float:
    return float(((ids == number) & (truth == number)).sum() / max(1, ((ids == number) | (truth == number)).sum()))


def changes(maps: list[ClassMap], still: Mask) -> float:
    return float(np.mean([(one != other)[still].mean() for one, other in pairwise(maps)]))


def measured() -> tuple[float, float, float, float]:
    """Changes a still pixel a frame before and after, and mean IoU of the moving red square before and after."""
    random, smoother = np.random.default_rng(3), Smoother()
    before: list[ClassMap] = []
    after: list[ClassMap] = []
    ious: list[tuple[float, float]] = []
    still = np.ones((SIZE[1], SIZE[0]), np.bool_)
    for i in range(FRAMES):
        truth = see_classes(scene(i, SIZE)).class_map
        still &= truth == 0
        raw = flickering(i, truth, random)
        before.append(raw)
        after.append(smoother.steady(noisy(i, random), raw))
        if i > 10:
            ious.append((overlap(raw, truth, 1), overlap(after[-1], truth, 1)))
    ious_before, ious_after = np.array(ious).mean(axis=0).tolist()
    return changes(before, still), changes(after, still), ious_before, ious_after


def test_changes_on_still_parts_are_less_than_half_and_moving_things_are_no_worse() -> None:
    changes_before, changes_after, iou_before, iou_after = measured()
    assert changes_before > 0.01
    assert changes_after < 0.5 * changes_before
    assert iou_after >= iou_before


def test_a_new_class_that_stays_is_taken_after_some_frames() -> None:
    smoother, pixels = Smoother(), scene(0)
    first, second = np.zeros((64, 96), np.uint8), np.full((64, 96), 2, np.uint8)
    smoother.steady(pixels, first)
    shown = [int(smoother.steady(pixels, second)[0, 0]) for _ in range(PATIENCE + 1)]
    assert shown == [0] * (PATIENCE - 1) + [2, 2]


def test_what_changes_in_the_picture_changes_at_once() -> None:
    smoother = Smoother()
    smoother.steady(scene(0), see_classes(scene(0)).class_map)
    there = see_classes(scene(20)).class_map
    assert (smoother.steady(scene(20), there) == there).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_memory_goes_on_where_it_was(dtype: type[np.uint8] | type[np.uint16]) -> None:
    random, one, two = np.random.default_rng(1), Smoother(), Smoother()
    frames = [(scene(i), random.integers(0, 3, (64, 96)).astype(dtype)) for i in range(8)]
    for pixels, ids in frames[:5]:
        one.steady(pixels, ids)
    two.remember(one.memory())
    for pixels, ids in frames[5:]:
        assert (one.steady(pixels, ids) == two.steady(pixels, ids)).all()
    assert Smoother().memory() == {}


def test_another_size_begins_anew() -> None:
    smoother = Smoother()
    smoother.steady(scene(0), np.zeros((64, 96), np.uint8))
    ids = np.ones((64, 192), np.uint8)
    assert (smoother.steady(scene(0, SIZE), ids) == ids).all()
