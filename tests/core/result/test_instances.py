"""Masks of single objects: a crop and its runs, there and back; and the result that checks them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from maskery.core.result.instances import CropMask, Instance, InstanceResult, crop_mask, painted, painted_rows
from tests.encode.results import instances


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_a_mask_comes_back(mask: NDArray[np.bool_]) -> None:
    height, width = mask.shape
    packed = crop_mask(mask)
    np.testing.assert_array_equal(packed.placed((width, height)), mask)
    assert packed.area == mask.sum()
    if mask.any():
        edges = packed.decoded()
        assert edges[0].any()
        assert edges[-1].any()
        assert edges[:, 0].any()
        assert edges[:, -1].any()


@given(st.integers(0, 3), st.integers(0, 3))
def test_runs_that_do_not_fill_the_part_are_refused(left: int, top: int) -> None:
    with pytest.raises(ValueError, match="runs of 5 pixels"):
        CropMask((left, top), (2, 2), np.array([1, 4]))


def test_the_area_of_an_object_without_a_mask_is_its_boxes() -> None:
    assert Instance(id=1, class_id=0, score=0.5, box_xyxy=(1.5, 2, 4, 6)).area == 10
    assert [one.area for one in instances().instances] == [48, 36, 4]


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_runs_of_the_whole_picture(mask: NDArray[np.bool_]) -> None:
    height, width = mask.shape
    for by_columns, flat in ((False, mask.reshape(-1)), (True, mask.reshape(-1, order="F"))):
        counts = crop_mask(mask).counts_in((width, height), by_columns)
        np.testing.assert_array_equal(np.repeat(np.arange(len(counts)) % 2 == 1, counts), flat)
        assert (counts[1:] > 0).all()


@given(hnp.arrays(np.bool_, (9, 7)), st.integers(1, 10))
def test_painted_in_bands_it_is_the_same(mask: NDArray[np.bool_], height: int) -> None:
    packed = crop_mask(mask)
    box = Instance(id=9, class_id=0, score=0.1, box_xyxy=(1.2, 2, 5, 6.4))
    objects = [Instance(id=1, class_id=0, score=0.5, box_xyxy=(0, 0, 7, 9), mask=packed), box]
    for order in (objects, objects[::-1]):
        bands = list(painted_rows(order, (7, 9), height))
        assert {len(band) for band in bands[:-1]} <= {height}
        np.testing.assert_array_equal(np.concatenate(bands), painted(order, (7, 9)))


def test_the_surest_lies_above_the_others() -> None:
    numbers = painted(instances().instances, (16, 12))
    assert [int((numbers == number).sum()) for number in range(4)] == [192 - 48 - 27 - 4, 48, 36 - 9, 4]
    assert numbers[5, 7] == 1
    assert numbers[9, 13] == 3


def test_a_result_checks_its_objects() -> None:
    result = instances()
    dog, cat, box = result.instances
    with pytest.raises(ValueError, match=r"\[1, 1\], expected different ones"):
        InstanceResult(result.meta, (dog, dog))
    with pytest.raises(ValueError, match="instance 2 has class 3, but there are 3"):
        InstanceResult(result.meta, (replace(cat, class_id=3),))
    with pytest.raises(ValueError, match="mask of instance 3 reaches beyond 16 x 12"):
        InstanceResult(result.meta, (replace(box, mask=CropMask((15, 0), (2, 1), np.array([0, 2]))),))
