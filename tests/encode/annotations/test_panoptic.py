"""Things above stuff; the rest is read back in tests/encode/test_single_objects.py."""

import json
from dataclasses import dataclass

import numpy as np

from maskery.core.result.instances import Instance, InstanceResult
from maskery.core.result.types import SemanticResult
from maskery.encode.annotations.panoptic import segments
from maskery.encode.registry import encode
from tests.encode.results import instances, pixels


@dataclass(frozen=True, eq=False, kw_only=True)
class BothResult(SemanticResult):
    """Objects above classes of pixels."""

    instances: tuple[Instance, ...] = ()


def both() -> BothResult:
    ids = np.zeros((12, 16), np.uint8)
    ids[6:, :8], ids[6:, 8:] = 1, 2
    objects = InstanceResult(instances().meta, instances().instances[:1])
    return BothResult(meta=objects.meta, class_map=ids, decided_by="", instances=objects.instances)


def test_stuff_is_where_no_object_is_and_no_class_of_things() -> None:
    result = both()
    found = segments(result)
    assert found.stuff == {2: 1}  # the object is a dog, so dogs are things and only cats are stuff
    assert set(np.unique(found.ids)) == {0, 1, 2}
    assert (found.ids == 1).sum() == 48
    assert (found.ids == 2).sum() == 6 * 8 - 7
    described = json.loads(encode(result, "panoptic-json"))
    (annotation,) = described["annotations"]
    assert [(one["id"], one["category_id"], one["isthing"]) for one in annotation["segments_info"]] == [
        (1, 2, 1),
        (2, 1, 0),
    ]
    assert {one["name"]: one["isthing"] for one in described["categories"]} == {"cat": 0, "dog": 1}
    np.testing.assert_array_equal(pixels(encode(result, "panoptic"))[:, :, 0], found.ids)


def test_an_object_below_others_is_named_as_hidden() -> None:
    one = instances().instances[0]
    below = Instance(id=5, class_id=1, score=0.2, box_xyxy=(2, 2, 4, 4))
    result = InstanceResult(instances().meta, (one, below))
    found = json.loads(encode(result, "panoptic-json"))
    assert [one["id"] for one in found["hidden"]] == [5]
