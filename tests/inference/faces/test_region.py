import numpy as np
import pytest

from maskery.core.boxes import Box
from maskery.core.card import Detector
from maskery.inference.faces.region import Region, crop_of, finest_side, is_cut, looks, whole

WANTED = Detector(model="any", margin=0.5, up=0.1)


def test_a_crop_is_square_around_the_box_and_a_little_above() -> None:
    crop = crop_of(Box((100, 100, 140, 180), 0.9), (1000, 1000), WANTED)
    assert (crop.width, crop.height) == (160, 160)
    assert crop.left + crop.width / 2 == 120
    assert crop.top + crop.height / 2 == pytest.approx(140 - 0.1 * 80)


def test_a_crop_may_leave_the_picture() -> None:
    crop = crop_of(Box((0, 0, 40, 40), 0.9), (1000, 300), WANTED)
    assert crop.xyxy == pytest.approx((-20, -24, 60, 56))
    assert crop.within((1000, 300)) == Region(0, 0, 60, 56)


def test_a_picture_that_is_a_faces_crop_already_is_shown_as_it_is() -> None:
    assert crop_of(Box((60, 80, 260, 280), 0.9), (320, 320), WANTED) == whole((320, 320))
    assert crop_of(Box((60, 80, 260, 280), 0.9), (640, 320), WANTED) != whole((640, 320)), "it would be stretched"
    assert crop_of(Box((130, 130, 190, 190), 0.9), (320, 320), WANTED) != whole((320, 320))


@pytest.mark.parametrize("size_wh", [(640, 480), (480, 640), (500, 500), (3000, 100), (1, 1)])
@pytest.mark.parametrize("levels", [1, 2, 3, 4])
def test_looks_cover_the_picture(size_wh: tuple[int, int], levels: int) -> None:
    windows = list(looks(size_wh, levels))
    assert windows[0] == whole(size_wh)
    seen = np.zeros((50, 50), int)
    for window in windows[1:]:
        left, top, right, bottom = window.xyxy
        assert left >= 0
        assert right <= size_wh[0] + 1e-9
        assert window.width == window.height >= finest_side(size_wh, levels)
        x, y = ((np.arange(50) + 0.5) * side / 50 for side in size_wh)
        seen += ((y >= top) & (y < bottom))[:, None] & ((x >= left) & (x < right))
    assert levels == 1 or len(windows) == 1 or seen.min() >= 1
    assert len(windows) < 2000


def test_a_face_of_a_quarter_is_whole_in_some_part() -> None:
    parts = list(looks((1000, 400), 2))[1:]
    for left in range(0, 900, 7):
        box = (float(left), 100.0, left + 90.0, 190.0)
        assert any(w.left <= box[0] and box[2] <= w.left + w.width for w in parts), left


def test_boxes_at_an_inner_edge_are_cut() -> None:
    window, size = Region(100, 0, 100, 100), (400, 100)
    assert is_cut((101, 20, 130, 50), window, size)
    assert is_cut((170, 20, 199, 50), window, size)
    assert not is_cut((120, -5, 150, 50), window, size), "the picture ends there"
    assert not is_cut((120, 20, 150, 50), window, size)
