"""A model of objects on a picture that is much larger than what it sees."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from maskery.core.arrays import Array
from maskery.core.picture import decode
from maskery.core.plan import RunOptions
from maskery.core.result.instances import InstanceResult
from maskery.inference.pipeline import Model
from maskery.inference.tasks.object_tiles import tiles_in_picture
from maskery.inference.tiles.grid import lay_out
from tests.inference.objects.object_cards import object_card

SIZE_WH = (640, 90)
CARS = ((20, 30, 34, 42), (50, 30, 70, 42), (300, 10, 316, 24), (590, 60, 610, 75))


@dataclass(frozen=True)
class Bright:
    """Finds every bright rectangle of at least four working pixels each way; smaller ones it does not see."""

    masks: bool = False

    device, runtime, batches = "cpu", "numpy", False

    def run(self, inputs: Mapping[str, Array], keep: bool = True) -> dict[str, Array]:
        bright = np.asarray(inputs["x"])[0, 0] > 128
        rows = [[*box, 0.9, 2] for box in _rectangles(bright) if box[2] - box[0] >= 4 and box[3] - box[1] >= 4]
        found = np.array(rows, np.float32).reshape(-1, 6)
        if not self.masks:
            return {"y": found[None]}
        plane = bright.astype(np.float32) - np.float32(0.5)
        return {"y": np.hstack([found, np.ones((len(found), 1), np.float32)])[None], "p": plane[None, None]}


def _rectangles(bright: NDArray[np.bool_]) -> list[tuple[int, int, int, int]]:
    """Of rectangles that share no column."""
    columns = np.flatnonzero(np.diff(np.concatenate([[False], bright.any(0), [False]]).astype(np.int8)))
    found = []
    for left, right in columns.reshape(-1, 2):
        rows = np.flatnonzero(bright[:, left:right].any(1))
        found.append((int(left), int(rows[0]), int(right), int(rows[-1]) + 1))
    return found


def run(options: RunOptions, masks: bool = False) -> InstanceResult:
    pixels = np.full((SIZE_WH[1], SIZE_WH[0], 3), 10, np.uint8)
    for left, top, right, bottom in CARS:
        pixels[top:bottom, left:right] = 250
    outputs = {"y": ("object-rows", "NC")} | ({"p": ("prototypes", "CHW")} if masks else {})
    card = object_card("instance" if masks else "detection", outputs, {"reader": "kept-rows"})
    result = Model(card, Bright(masks)).run(decode.open_picture(pixels, max_bytes=1, max_pixels=1 << 20), options)
    assert isinstance(result, InstanceResult)
    return result


def test_small_things_of_a_panorama_are_found_in_tiles_only() -> None:
    assert run(RunOptions()).instances == ()
    result = run(RunOptions(tile=64))
    boxes = sorted(tuple(round(value) for value in one.box_xyxy) for one in result.instances)
    np.testing.assert_allclose(boxes, CARS, atol=1)
    assert [one.id for one in result.instances] == [1, 2, 3, 4]
    assert result.meta.plan is not None
    assert result.meta.plan.tiles is not None
    assert result.meta.plan.tiles.count > 20
    assert {"decode", "run", "tiles"} <= result.meta.timings_ms.keys()


def test_masks_over_a_seam_are_whole() -> None:
    result = run(RunOptions(tile=64), masks=True)
    areas = {round(one.box_xyxy[0], -1): one.area for one in result.instances}
    expected = {round(left, -1): (right - left) * (bottom - top) for left, top, right, bottom in CARS}
    assert areas.keys() == expected.keys()
    for left, area in expected.items():
        assert areas[left] == pytest.approx(area, rel=0.15)


def test_limits_hold_for_the_whole_picture() -> None:
    assert len(run(RunOptions(tile=64, max_objects=2)).instances) == 2
    assert run(RunOptions(tile=64, classes=("cat",))).instances == ()
    assert run(RunOptions(tile=64, answer_wh=(64, 9))).meta.frame.size_wh == SIZE_WH


def test_tiles_cover_the_picture() -> None:
    card = object_card("detection", {"y": ("object-rows", "NC")}, {"reader": "kept-rows"})
    covered = np.zeros(SIZE_WH[::-1], np.int64)
    for left, top, right, bottom in tiles_in_picture(lay_out(SIZE_WH, False, card.input, 64, None)):
        covered[top:bottom, left:right] += 1
    assert covered.min() == 1
    assert covered.max() > 1
