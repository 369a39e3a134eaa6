import numpy as np
import pytest
from numpy.typing import NDArray

from maskery.core.plan import Placement
from maskery.inference.faces.paste import Canvas, ParsedFace, certain_maps, pasted
from maskery.inference.faces.region import Region
from maskery.inference.upsample import resample


def scores(ids: NDArray[np.int64], classes: int = 3) -> NDArray[np.float32]:
    return (np.arange(classes)[:, None, None] == ids).astype(np.float32) * 4


def face(ids: NDArray[np.int64], window: Region) -> ParsedFace:
    height, width = ids.shape
    left, top, right, bottom = window.xyxy
    place = Placement(
        (round(window.width), round(window.height)), (width * 4, height * 4), (width * 4, height * 4), (0, 0)
    )
    return ParsedFace((left, top, right, bottom), window, place, scores(ids))


def sheet(grid_wh: tuple[int, int], picture_wh: tuple[int, int] | None = None, maps: tuple[str, ...] = ()) -> Canvas:
    return Canvas(
        grid_wh=grid_wh,
        picture_wh=picture_wh or grid_wh,
        background=0,
        dtype=np.uint8,
        decide=resample.decide,
        maps=certain_maps(maps, grid_wh),
    )


def together(faces: list[ParsedFace], on: Canvas) -> NDArray[np.uint8]:
    return np.concatenate(list(pasted(faces, on)))


def test_a_crop_of_the_whole_picture_is_the_plain_road() -> None:
    ids = np.random.default_rng(1).integers(0, 3, (9, 12))
    place = Placement((100, 75), (48, 36), (48, 36), (0, 0))
    parsed = ParsedFace((20, 20, 60, 60), Region(0, 0, 100, 75), place, scores(ids))
    assert np.array_equal(together([parsed], sheet((100, 75))), resample.class_map(scores(ids), place))


def test_pixels_go_back_to_where_they_came_from() -> None:
    ids = np.random.default_rng(2).integers(1, 3, (10, 10))
    found = together([face(ids, Region(30, 20, 40, 40))], sheet((100, 80)))
    assert np.array_equal(found[22:60:4, 32:70:4], ids)
    found[20:60, 30:70] = 0
    assert not found.any(), "outside of the crop is background"


@pytest.mark.parametrize("left", [-15.0, 75.0])
@pytest.mark.parametrize("top", [-15.0, 55.0])
def test_a_crop_over_the_border(left: float, top: float) -> None:
    ids = np.random.default_rng(3).integers(1, 3, (10, 10))
    found = together([face(ids, Region(left, top, 40, 40))], sheet((100, 80)))
    canvas = np.zeros((200, 200), np.uint8)
    canvas[50:130, 50:150] = found
    y, x = (int(start) + 52 + 4 * np.arange(10) for start in (top, left))
    inside = ((y >= 50) & (y < 130))[:, None] & ((x >= 50) & (x < 150))
    assert np.array_equal(canvas[np.ix_(y, x)][inside], ids[inside])
    assert inside.any()


def test_a_crop_that_is_nowhere() -> None:
    ones = np.ones((4, 4), int)
    assert not together(
        [face(ones, Region(200, 10, 20, 20)), face(ones, Region(10, -90, 20, 20))], sheet((50, 50))
    ).any()


def test_the_nearest_face_with_something_there_has_the_pixel() -> None:
    one, two = np.ones((10, 10), int), np.full((10, 10), 2)
    for faces in ([0, 1], [1, 0]):
        both = [face(one, Region(0, 0, 40, 40)), face(two, Region(20, 0, 40, 40))]
        found = together([both[i] for i in faces], sheet((60, 40)))
        assert (found[:, :29] == 1).all()
        assert (found[:, 31:] == 2).all()


def test_background_gives_way_to_another_faces_part() -> None:
    one = np.zeros((10, 10), int)
    one[:, :2] = 1
    found = together(
        [face(one, Region(0, 0, 40, 40)), face(np.full((10, 10), 2), Region(10, 0, 40, 40))], sheet((60, 40))
    )
    assert (found[:, 10:48] == 2).all(), "the first face says background there"
    assert (found[:, :7] == 1).all()


def test_a_large_face_reaches_further_than_a_small_one() -> None:
    large, small = face(np.ones((9, 9), int), Region(0, 0, 90, 90)), face(np.full((9, 9), 2), Region(80, 30, 18, 18))
    found = together([large, small], sheet((100, 90)))
    assert found[39, 80] == 1
    assert found[39, 88] == 2


def test_another_grid_is_decided_at_its_own_pixels() -> None:
    ids = np.random.default_rng(4).integers(1, 3, (10, 10))
    faces = [face(ids, Region(20, 20, 40, 40))]
    fine, coarse = together(faces, sheet((100, 80))), together(faces, sheet((25, 20), (100, 80)))
    assert np.array_equal(coarse[5:15, 5:15], ids)
    assert np.array_equal(fine[22:60:4, 22:60:4], ids)


def test_maps_are_those_of_the_face_that_has_the_pixel() -> None:
    on = sheet((60, 40), maps=("confidence", "entropy", "margin"))
    together([face(np.ones((10, 10), int), Region(0, 0, 40, 40))], on)
    sure = float(np.exp(4) / (np.exp(4) + 2))
    assert on.maps["confidence"][20, 20] == pytest.approx(sure, abs=1e-5)
    assert (on.maps["confidence"][:, 40:] == 1).all()
    assert (on.maps["entropy"][:, 40:] == 0).all()
    assert on.maps["margin"].max() == 1
    assert on.maps["margin"][5, 5] < 1


def test_bands_join() -> None:
    ids = np.random.default_rng(5).integers(0, 3, (12, 12))
    faces = [face(ids, Region(100, 300, 900, 900)), face(ids, Region(700, 100, 600, 600))]
    parts = list(pasted(faces, sheet((1500, 1300))))
    assert len(parts) == 8
    whole = np.concatenate(parts)
    assert np.array_equal(whole[2::5, 2::5], together(faces, sheet((300, 260), (1500, 1300))))
