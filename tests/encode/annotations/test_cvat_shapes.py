"""Shapes for CVAT, read back as masks."""

import numpy as np
import pytest

from maskery.core.errors import BadRequest
from maskery.core.result.instances import Instance, InstanceResult, crop_mask
from maskery.core.result.meta import Frame, Meta, ModelInfo
from maskery.core.result.types import ClassificationResult, SemanticResult
from maskery.encode.annotations.cvat_shapes import mask_points, mask_shapes, polygon_shapes
from maskery.encode.annotations.cvat_xml import sdk_mask
from tests.serving.protocols.label_studio.requests import drawn

SIZE_WH = (60, 40)
FRAME = Frame(original_wh=SIZE_WH, orientation=1, working_wh=SIZE_WH, scale_xy=(1.0, 1.0), padding=(0, 0, 0, 0))
META = Meta(
    task="instance", labels=("background", "cat", "dog"), palette=((0, 0, 0),) * 3, frame=FRAME,
    model=ModelInfo("toy", "1", "0" * 64), timings_ms={},
)  # fmt: skip


def box(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    mask = np.zeros(SIZE_WH[::-1], np.bool_)
    mask[top:bottom, left:right] = True
    return mask


ONE, OTHER = box(5, 5, 30, 20), box(20, 10, 50, 35)


def objects() -> InstanceResult:
    return InstanceResult(
        META,
        tuple(
            Instance(id=i, class_id=i, score=1 - i / 4, box_xyxy=(0, 0, 1, 1), mask=crop_mask(mask))
            for i, mask in enumerate((ONE, OTHER), 1)
        ),
    )


def polygon_mask(points: list[float]) -> np.ndarray:
    width, height = SIZE_WH
    pairs = [[100 * x / width, 100 * y / height] for x, y in zip(points[::2], points[1::2], strict=True)]
    return drawn(
        {"type": "polygonlabels", "original_width": width, "original_height": height, "value": {"points": pairs}}
    )


def test_a_mask_is_what_the_sdk_encodes() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        mask = box(7, 3, 40, 30) & (random.random(SIZE_WH[::-1]) < 0.5)
        assert mask_points(crop_mask(mask)) == sdk_mask(mask)


def test_each_object_is_a_shape_with_its_score() -> None:
    shapes = list(mask_shapes(objects()))
    assert [(shape.class_id, shape.kind, shape.score) for shape, _ in shapes] == [(1, "mask", 0.75), (2, "mask", 0.5)]
    assert [shape.points for shape, _ in shapes] == [sdk_mask(ONE), sdk_mask(OTHER)]
    assert [shape.class_id for shape, _ in mask_shapes(objects(), 0.6)] == [1]


def test_overlapping_objects_are_whole_polygons() -> None:
    shapes = list(polygon_shapes(objects()))
    assert [(shape.class_id, shape.kind, shape.score) for shape in shapes] == [
        (1, "polygon", 0.75),
        (2, "polygon", 0.5),
    ]
    for shape, mask in zip(shapes, (ONE, OTHER), strict=True):
        np.testing.assert_array_equal(polygon_mask(shape.points), mask)
    assert list(polygon_shapes(objects(), 0.9)) == []


def test_each_class_but_background_is_a_shape() -> None:
    class_map = np.where(OTHER, 2, np.where(ONE, 1, 0)).astype(np.uint8)
    result = SemanticResult(meta=META, class_map=class_map, decided_by="")
    masks = {shape.class_id: (shape.points, shape.score) for shape, _ in mask_shapes(result)}
    assert masks == {2: (sdk_mask(class_map == 2), None), 1: (sdk_mask(class_map == 1), None)}
    polygons = list(polygon_shapes(result))
    assert sorted(shape.class_id for shape in polygons) == [1, 2]


def test_what_has_no_masks_is_refused() -> None:
    scores = ClassificationResult(META, np.array([0, 1, 0], np.float32))
    with pytest.raises(BadRequest):
        list(mask_shapes(scores))
    with pytest.raises(BadRequest):
        list(polygon_shapes(scores))
