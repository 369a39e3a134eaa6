"""Run lengths of masks, there and back, against those of pycocotools' rules as ``coco`` writes them."""

import numpy as np
import pytest

from maskery.core.errors import BadRequest
from maskery.core.result.instances import CropMask, crop_mask
from maskery.encode.annotations.coco import mask_rle
from maskery.encode.annotations.coco_counts import coarse_of, counts_of, crop_counts, crop_of, crop_rle
from maskery.inference.prompts.prompt_input import shares_of_cells

MANY = 1 << 24


def mask(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    height, width = random.integers(1, 60, 2)
    found = np.zeros((height, width), np.bool_)
    top, left = random.integers(0, height), random.integers(0, width)
    part = found[top : top + random.integers(1, 60), left : left + random.integers(1, 60)]
    part[...] = random.random(part.shape) < random.choice([0.05, 0.5, 0.95, 1.0])
    return found


@pytest.mark.parametrize("seed", range(60))
def test_a_crop_has_the_runs_of_the_whole_picture(seed: int) -> None:
    whole = mask(seed)
    size_wh = (whole.shape[1], whole.shape[0])
    rle = crop_rle(crop_mask(whole), size_wh)
    assert rle == mask_rle(whole)
    counts = counts_of(rle["counts"], rle["size"], MANY)
    np.testing.assert_array_equal(counts, crop_counts(crop_mask(whole), size_wh))
    np.testing.assert_array_equal(counts_of(counts.tolist(), rle["size"], MANY), counts)
    np.testing.assert_array_equal(crop_of(counts, rle["size"]).placed(size_wh), whole)


@pytest.mark.parametrize("seed", range(20))
def test_a_rough_mask_of_small_pictures_is_exact(seed: int) -> None:
    whole = mask(seed)
    rough = coarse_of(crop_counts(crop_mask(whole), (whole.shape[1], whole.shape[0])), whole.shape)
    if not whole.any():
        assert rough is None
        return
    assert rough is not None
    left, top, right, bottom = rough.box_xyxy
    np.testing.assert_array_equal(shares_of_cells(rough) > 0.5, whole[top:bottom, left:right])
    assert not whole[:top].any()
    assert not whole[:, right:].any()


def test_a_rough_mask_of_a_large_picture_has_few_cells() -> None:
    whole = np.zeros((900, 1200), np.bool_)
    whole[100:700, 300:1000] = True
    rough = coarse_of(crop_counts(crop_mask(whole), (1200, 900)), (900, 1200))
    assert rough is not None
    assert rough.box_xyxy == (300, 100, 1000, 700)
    assert shares_of_cells(rough).shape == (128, 128)
    assert shares_of_cells(rough).min() == 1


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("", [4, 5]), ("5220003", [4, 4]), ("5220003", [4]), ("5220003", [0, 5]), ("5220003", [-4, -5]),
        ("5220003", [1 << 20, 1 << 20]), ("!!", [4, 5]), ("é", [4, 5]), ("P", [4, 5]), ("oooooooooo0", [4, 5]),
        ([], [4, 5]), ([20, -1, 1], [4, 5]), ([1 << 60, 5], [4, 5]), ([1 << 70], [4, 5]), ([21], [4, 5]),
    ],
)  # fmt: skip
def test_what_is_no_mask_is_refused(value: object, size: list[int]) -> None:
    with pytest.raises(BadRequest, match="previous mask"):
        counts_of(value, size, MANY)


def test_the_published_examples() -> None:
    assert counts_of("5220003", [4, 5], MANY).tolist() == [5, 2, 2, 2, 2, 2, 5]
    assert counts_of("1210", [2, 3], MANY).tolist() == [1, 2, 1, 2]
    nothing = CropMask((0, 0), (0, 0), np.zeros(1, np.int64))
    assert crop_rle(nothing, (5, 4)) == {"size": [4, 5], "counts": "d0"}
