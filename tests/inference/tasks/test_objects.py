"""Detection and instance models from a picture to their result, and what may be asked of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from maskery.core.arrays import Array
from maskery.core.card_tensors import Input
from maskery.core.errors import BadRequest, TooLarge
from maskery.core.picture import decode
from maskery.core.plan import RunOptions
from maskery.core.result.instances import InstanceResult
from maskery.inference.pipeline import Model
from maskery.inference.preprocess import place
from maskery.inference.tasks.objects import MOST_COVERED
from maskery.inference.tasks.registry import task_of
from tests.inference.objects.object_cards import object_card

PICTURE_WH = (127, 61)
Row = tuple[float, float, float, float, float, int]


@dataclass(frozen=True)
class Rows:
    """Says the same of every picture: boxes in pixels of the picture with score and class; masks are ellipses."""

    rows: tuple[Row, ...]
    masks: bool = False

    device, runtime, batches = "cpu", "numpy", False

    def run(self, inputs: Mapping[str, Array], keep: bool = True) -> dict[str, Array]:
        height, width = inputs["x"].shape[2:]
        where = place(PICTURE_WH, Input(tensor="x", layout="NCHW", resize="letterbox", size=(width, height)))
        rows = np.array(self.rows, np.float32).reshape(-1, 6)
        rows[:, :4] *= np.tile(np.divide(where.content_wh, PICTURE_WH), 2)
        rows[:, :4] += np.tile(where.offset_xy, 2)
        if not self.masks:
            return {"y": rows[None]}
        x, y = (np.arange(side) + 0.5 for side in (width, height))
        planes = [
            1 - ((x - (a + c) / 2) / ((c - a) / 2)) ** 2 - (((y - (b + d) / 2) / ((d - b) / 2)) ** 2)[:, None]
            for a, b, c, d in rows[:, :4]
        ]
        coefficients = np.eye(len(rows), dtype=np.float32)
        return {"y": np.hstack([rows, coefficients])[None], "p": np.array(planes, np.float32)[None]}


def detector(*rows: Row) -> Model:
    return Model(object_card("detection", {"y": ("object-rows", "NC")}, {"reader": "kept-rows"}), Rows(rows))


def segmenter(*rows: Row) -> Model:
    outputs = {"y": ("object-rows", "NC"), "p": ("prototypes", "CHW")}
    return Model(object_card("instance", outputs, {"reader": "kept-rows"}), Rows(rows, masks=True))


def run(model: Model, options: RunOptions | None = None, size_wh: tuple[int, int] = PICTURE_WH) -> InstanceResult:
    picture = decode.open_picture(np.zeros((size_wh[1], size_wh[0], 3), np.uint8), max_bytes=1, max_pixels=1 << 24)
    result = model.run(picture, options or RunOptions())
    assert isinstance(result, InstanceResult)
    return result


CAR: Row = (10.0, 5.0, 50.0, 35.0, 0.6, 2)
SAME_CAR: Row = (11.0, 5.0, 50.0, 36.0, 0.5, 2)
DOG: Row = (12.0, 6.0, 49.0, 35.0, 0.9, 1)
FAR: Row = (90.0, 30.0, 140.0, 70.0, 0.4, 0)


def test_boxes_in_the_pictures_pixels_surest_first_numbered_and_cut_at_its_edges() -> None:
    result = run(detector(CAR, FAR, SAME_CAR, DOG))
    assert [(one.id, one.class_id, round(one.score, 3)) for one in result.instances] == [
        (1, 1, 0.9),
        (2, 2, 0.6),
        (3, 0, 0.4),
    ]
    np.testing.assert_allclose(result.instances[1].box_xyxy, CAR[:4], atol=0.01)
    np.testing.assert_allclose(result.instances[2].box_xyxy, (90, 30, 127, 61), atol=0.01)
    assert all(one.mask is None for one in result.instances)


@pytest.mark.parametrize(
    ("options", "classes"),
    [
        (RunOptions(score=0.5), [1, 2]),
        (RunOptions(score=0.95), []),
        (RunOptions(max_objects=1), [1]),
        (RunOptions(overlap=1.0), [1, 2, 2, 0]),
        (RunOptions(classes=("car",)), [2]),
        (RunOptions(classes=("cat", "car"), max_objects=1), [2]),  # the limit counts what was asked for
    ],
)
def test_what_is_asked_for(options: RunOptions, classes: list[int]) -> None:
    result = run(detector(CAR, FAR, SAME_CAR, DOG), options)
    assert [one.class_id for one in result.instances] == classes
    assert [one.id for one in result.instances] == list(range(1, len(classes) + 1))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (RunOptions(score=1.5), "score is 1.5"),
        (RunOptions(score=float("nan")), "score is nan"),
        (RunOptions(overlap=-0.1), "overlap is -0.1"),
        (RunOptions(max_objects=0), "max_objects is 0"),
        (RunOptions(max_objects=1001), "max_objects is 1001"),
        (RunOptions(classes=("bus",)), "no class 'bus'"),
        (RunOptions(tile=9), "tile is 9 pixels"),
        (RunOptions(maps=("confidence",)), "no confidence map"),
    ],
)
def test_what_cannot_be_asked_for(options: RunOptions, says: str) -> None:
    with pytest.raises(BadRequest, match=says) as failure:
        run(detector(CAR), options)
    assert failure.value.cure


def test_masks_are_cut_to_their_boxes_and_may_overlap() -> None:
    result = run(segmenter(CAR, DOG))
    for one, row in zip(result.instances, (DOG, CAR), strict=True):
        assert one.mask is not None
        left, top, right, bottom = row[:4]
        ellipse = np.pi / 4 * (right - left) * (bottom - top)
        assert abs(one.mask.area - ellipse) < 0.08 * ellipse
        (x, y), (width, height) = one.mask.left_top, one.mask.size_wh
        assert x >= left - 1
        assert y >= top - 1
        assert x + width <= right + 1
        assert y + height <= bottom + 1


def test_an_object_without_a_pixel_is_none() -> None:
    result = run(segmenter(CAR, (60.0, 20.0, 60.3, 20.3, 0.9, 1)))
    assert [(one.id, one.class_id) for one in result.instances] == [(1, 2)]


def test_masks_that_would_fill_the_memory_are_refused_with_a_number_that_fits() -> None:
    rows = tuple((0.0, 0.0, 127.0, 61.0 - i / 100, 0.9 - i / 1000, 1) for i in range(MOST_COVERED + 9))
    with pytest.raises(TooLarge, match="41 objects cover 41 times the picture") as failure:
        run(segmenter(*rows), RunOptions(overlap=1.0))
    assert "max_objects=32" in failure.value.cure
    assert len(run(segmenter(*rows), RunOptions(overlap=1.0, max_objects=32)).instances) == 32


def test_the_answers_size_is_that_of_the_masks_and_boxes() -> None:
    one = run(segmenter(CAR), RunOptions(answer_wh=(254, 122))).instances[0]
    np.testing.assert_allclose(one.box_xyxy, [2 * value for value in CAR[:4]], atol=0.02)
    assert one.mask is not None
    assert one.mask.area > 3.5 * np.pi / 4 * 40 * 30


def test_a_plan_counts_masks_and_not_boxes() -> None:
    assert [task_of(model.card).answer_bytes(model.card, 0) for model in (detector(), segmenter())] == [0, 2]
