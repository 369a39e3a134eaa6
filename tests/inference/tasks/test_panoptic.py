"""A panoptic model: classes and objects of one picture, and COCO's panoptic form of both."""

from collections.abc import Mapping

import numpy as np
import pytest

from maskery.core.arrays import Array
from maskery.core.errors import ConfigError
from maskery.core.picture import decode
from maskery.core.plan import RunOptions
from maskery.core.result.panoptic_result import PanopticResult
from maskery.encode.registry import encode
from maskery.inference.pipeline import Model
from tests.inference.objects.object_cards import object_card
from tests.material import decoded

ROLES = {"y": ("scores", "CHW"), "c": ("object-centres", "CHW"), "o": ("object-offsets", "CHW")}


class TwoDogs:
    """Two dogs side by side below a car that is stuff, whatever it is shown."""

    device, runtime, batches = "cpu", "numpy", False

    def run(self, inputs: Mapping[str, Array], keep: bool = True) -> dict[str, Array]:
        scores, heat = np.zeros((1, 3, 32, 64), np.float32), np.zeros((1, 1, 32, 64), np.float32)
        offsets = np.zeros((1, 2, 32, 64), np.float32)
        scores[0, 2, :16], scores[0, 1, 16:] = 9, 9
        for left in (0, 32):
            heat[0, 0, 24, left + 16] = 0.8
            rows, columns = np.mgrid[16:32, left : left + 32]
            offsets[0, 0, 16:, left : left + 32], offsets[0, 1, 16:, left : left + 32] = 24 - rows, left + 16 - columns
        return {"y": scores, "c": heat, "o": offsets}


def run(options: RunOptions | None = None) -> PanopticResult:
    model = Model(object_card("panoptic", ROLES, {"reader": "centres", "things": ["cat", "dog"]}), TwoDogs())
    picture = decode.open_picture(np.zeros((64, 128, 3), np.uint8), max_bytes=1, max_pixels=1 << 20)
    result = model.run(picture, options or RunOptions())
    assert isinstance(result, PanopticResult)
    return result


def test_classes_and_objects_of_one_picture() -> None:
    result = run()
    assert [(item.name, round(item.share, 2)) for item in result.classes] == [("dog", 0.5), ("car", 0.5)]
    assert [(one.id, one.class_id) for one in result.instances] == [(1, 1), (2, 1)]
    assert [one.area for one in result.instances] == pytest.approx([64 * 32] * 2, rel=0.06)


def test_written_as_coco_does_each_object_and_the_stuff_has_an_id_of_its_own() -> None:
    rgb = decoded(encode(run(), "panoptic"))
    ids = rgb.astype(np.int64) @ np.array([1, 256, 65536])
    assert {int(ids[10, 60]), int(ids[50, 20]), int(ids[50, 100])} == {1, 2, 3}
    assert ids[10, 60] == 3, "stuff follows the objects"


def test_only_some_classes() -> None:
    result = run(RunOptions(classes=("car",)))
    assert result.instances == ()
    assert [item.name for item in result.classes if item.name != "background"] == ["car"]
    assert len(run(RunOptions(classes=("dog",))).instances) == 2


@pytest.mark.parametrize(
    ("task", "objects", "says"),
    [
        ("panoptic", {"reader": "queries"}, "no reader 'queries'"),
        ("instance", {"reader": "centres", "things": ["cat"]}, "no reader 'centres'"),
        ("panoptic", {"reader": "centres"}, "which needs it"),
        ("panoptic", {"reader": "centres", "things": ["bus"]}, "no label"),
    ],
)
def test_cards_that_do_not_fit_are_refused(task: str, objects: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        object_card(task, ROLES, objects)
