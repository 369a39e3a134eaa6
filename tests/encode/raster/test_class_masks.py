import numpy as np
import pytest

from maskery.encode.raster.mask import class_masks
from tests.encode.results import foreground, halves, opened, pixels, semantic


def test_every_class_that_occurs_by_id() -> None:
    ids = halves()
    masks = list(class_masks(semantic(ids), threshold=0.9))
    assert [(mask.label, mask.score) for mask in masks] == [("background", None), ("cat", None), ("dog", None)]
    for id, mask in enumerate(masks):
        assert opened(mask.png).mode == "L"
        assert np.array_equal(pixels(mask.png), np.where(ids == id, 255, 0))
    assert [mask.label for mask in class_masks(semantic(np.where(ids == 1, 1, 2).astype(np.uint8)))] == ["cat", "dog"]


@pytest.mark.parametrize(("threshold", "first"), [(0.0, 0), (0.5, 128), (0.7, 178), (1.0, 255)])
def test_a_soft_mask_is_cut_at_the_threshold(threshold: float, first: int) -> None:
    alpha = np.arange(256, dtype=np.uint8).reshape(16, 16)
    (mask,) = class_masks(foreground(alpha), threshold)
    assert mask.label == "person"
    assert np.array_equal(pixels(mask.png), np.where(alpha >= first, 255, 0))
    assert mask.score == pytest.approx(np.arange(first, 256).mean() / 255)


def test_a_foreground_that_is_nowhere_has_no_mask() -> None:
    assert list(class_masks(foreground(np.full((3, 4), 100, np.uint8)))) == []
