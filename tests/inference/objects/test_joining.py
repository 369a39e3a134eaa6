"""Objects on seams: counted once, whole, with all of their pixels."""

import numpy as np
import pytest

from maskery.core.boxes import BoxXyxy
from maskery.core.result.instances import CropMask, crop_mask
from maskery.inference.objects.joining import TileObjects, is_cut, joined, united

SIZE_WH = (200, 100)
LEFT, RIGHT, ALL = (0.0, 0.0, 120.0, 100.0), (80.0, 0.0, 200.0, 100.0), (0.0, 0.0, 200.0, 100.0)


def tile(tile: BoxXyxy, *rows: tuple[BoxXyxy, float, int], masks: bool = False) -> TileObjects:
    boxes = np.array([row[0] for row in rows], np.float64).reshape(-1, 4)
    return TileObjects(
        tile=tile,
        boxes=boxes,
        scores=np.array([row[1] for row in rows], np.float32),
        class_ids=np.array([row[2] for row in rows], np.int64),
        masks=[filled(row[0]) for row in rows] if masks else None,
    )


def filled(box: BoxXyxy) -> CropMask:
    whole = np.zeros(SIZE_WH[::-1], np.bool_)
    left, top, right, bottom = (int(value) for value in box)
    whole[top:bottom, left:right] = True
    return crop_mask(whole)


def found(*tiles: TileObjects, overlap: float = 0.6, most: int = 100) -> list[tuple[list[float], float, int]]:
    result = joined(tiles, SIZE_WH, overlap, most)
    rows = zip(result.boxes.tolist(), result.scores.tolist(), result.class_ids.tolist(), strict=True)
    return [(box, round(score, 3), class_id) for box, score, class_id in rows]


def test_halves_of_one_object_are_united() -> None:
    halves = tile(LEFT, ((60, 20, 120, 60), 0.7, 1)), tile(RIGHT, ((80, 21, 150, 60), 0.8, 1))
    assert found(*halves) == [([60, 20, 150, 60], 0.8, 1)]


def test_what_one_tile_shows_whole_stays_as_it_is() -> None:
    cut, whole = tile(LEFT, ((90, 20, 120, 60), 0.9, 1)), tile(RIGHT, ((90, 22, 130, 61), 0.6, 1))
    assert found(cut, whole) == [([90, 22, 130, 61], 0.9, 1)]


@pytest.mark.parametrize(
    "other",
    [((80.0, 20.0, 150.0, 60.0), 0.8, 2), ((80.0, 65.0, 150.0, 99.0), 0.8, 1), ((121.0, 20.0, 150.0, 60.0), 0.8, 1)],
)
def test_other_classes_other_places_and_what_one_tile_does_not_see_stay(other: tuple[BoxXyxy, float, int]) -> None:
    assert len(found(tile(LEFT, ((60, 20, 120, 60), 0.7, 1)), tile(RIGHT, other))) == 2


def test_neighbours_within_one_tile_are_not_joined() -> None:
    assert len(found(tile(LEFT, ((10, 10, 50, 50), 0.9, 1), ((25, 10, 65, 50), 0.8, 1)))) == 2


def test_a_look_at_the_whole_picture_ends_what_tiles_cut() -> None:
    parts = tile(LEFT, ((5, 5, 120, 95), 0.8, 1)), tile(RIGHT, ((80, 5, 190, 95), 0.9, 1))
    assert found(*parts, tile(ALL, ((4, 4, 191, 96), 0.5, 1))) == [([4, 4, 191, 96], 0.9, 1)]


def test_an_object_over_three_tiles_is_one() -> None:
    tiles = [(0.0, 0.0, 80.0, 100.0), (60.0, 0.0, 140.0, 100.0), (120.0, 0.0, 200.0, 100.0)]
    pieces = [(30.0, 10.0, 80.0, 40.0), (60.0, 10.0, 140.0, 40.0), (120.0, 10.0, 170.0, 40.0)]
    assert found(*(tile(t, (p, 0.5 + i / 10, 0)) for i, (t, p) in enumerate(zip(tiles, pieces, strict=True)))) == [
        ([30, 10, 170, 40], 0.7, 0)
    ]


def test_masks_are_united_and_the_surest_come_first() -> None:
    halves = (
        tile(LEFT, ((60, 20, 120, 60), 0.7, 1), ((5, 5, 9, 9), 0.75, 0), masks=True),
        tile(RIGHT, ((80, 20, 150, 60), 0.8, 1), masks=True),
    )
    result = joined(halves, SIZE_WH, 0.6, 100)
    assert result.masks is not None
    assert [mask.area for mask in result.masks] == [90 * 40, 16]
    assert len(joined(halves, SIZE_WH, 0.6, 1).boxes) == 1


def test_no_object_at_all() -> None:
    assert found(tile(LEFT), tile(RIGHT)) == []


def test_only_inner_edges_cut() -> None:
    boxes = np.array([[0.0, 0, 50, 50], [60, 10, 119.5, 50], [60, 10, 110, 100]])
    assert is_cut(boxes, np.tile(np.array(LEFT), (3, 1)), SIZE_WH).tolist() == [False, True, False]


def test_an_empty_mask_adds_nothing() -> None:
    some, nothing = filled((3, 4, 9, 9)), crop_mask(np.zeros((4, 4), np.bool_))
    assert united([nothing, some]) is some
    assert united([nothing, nothing]).area == 0
