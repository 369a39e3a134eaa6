"""Names and boxes above the photo."""

import numpy as np
import pytest

from maskery.core.result.instances import InstanceResult
from maskery.encode.object_facts import colour_of
from maskery.encode.raster.marks import Mark, marks_of, paint, text_height
from maskery.encode.registry import encode
from tests.encode.results import instances, meta, opened, photo, pixels


def test_bands_give_the_same_as_the_whole() -> None:
    result = instances(90, 120)
    marks = marks_of(result.instances, result.meta)
    whole = photo((90, 120))
    banded = whole.copy()
    paint(whole, 0, marks, text_height((120, 90)))
    for top in range(0, 90, 7):
        paint(banded[top : top + 7], top, marks, text_height((120, 90)))
    np.testing.assert_array_equal(whole, banded)
    assert (whole != photo((90, 120))).any(2).sum() > 500


def test_a_box_without_mask_is_a_frame_and_nothing_inside() -> None:
    result = instances(90, 120)
    (third,) = [one for one in result.instances if one.mask is None]
    black = np.zeros((90, 120, 3), np.uint8)
    paint(black, 0, [mark for mark in marks_of([third], result.meta) if not mark.text], 11)
    found = (black == colour_of(third)).all(2)
    assert found[9:11, 13:15].all()
    assert found.sum() == 4  # two by two pixels have no inside
    large = Mark((10, 10), (20, 1), (1, 2, 3))
    paint(black, 0, [large], 11)
    assert (black[10, 10:30] == (1, 2, 3)).all()
    assert not black[12:, 40:].any()


def test_names_stay_inside_of_the_picture() -> None:
    for height, width in ((12, 16), (5, 3), (40, 300)):
        result = instances(12, 16)
        moved = InstanceResult(meta("instance", (height, width), result.meta.labels, result.meta.palette), ())
        for mark in marks_of(result.instances, moved.meta):
            if mark.text:
                assert mark.left_top[0] + mark.size_wh[0] <= width
                assert mark.left_top[1] + mark.size_wh[1] <= height
                assert min(mark.left_top) >= 0


@pytest.mark.parametrize(("size", "height"), [((16, 12), 11), ((4000, 3000), 40), ((1200, 960), 20)])
def test_letters_grow_with_the_picture(size: tuple[int, int], height: int) -> None:
    assert text_height(size) == height


def test_objects_are_drawn_each_in_its_own_colour() -> None:
    result, picture = instances(120, 160), photo((120, 160))
    dog, cat, box = result.instances
    found = pixels(encode(result, "overlay", picture))
    np.testing.assert_array_equal(found[60:], picture[60:])
    for one in (dog, cat, box):
        assert (found == colour_of(one)).all(2).any()
    np.testing.assert_array_equal(found[:, 110:], picture[:, 110:])
    assert opened(encode(result, "overlay-jpeg", picture)).size == (160, 120)
