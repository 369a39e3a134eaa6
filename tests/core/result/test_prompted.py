"""What was pointed at, as candidates and as classes."""

import numpy as np
import pytest

from maskery.core.errors import BadRequest
from maskery.core.result.instances import Instance, crop_mask
from maskery.core.result.meta import Frame, Meta, ModelInfo
from maskery.core.result.prompted import PromptResult

LABELS = ("background", "object")


def result(*masks: np.ndarray, labels: tuple[str, ...] = LABELS) -> PromptResult:
    frame = Frame(original_wh=(6, 4), orientation=1, working_wh=(6, 6), scale_xy=(1.0, 1.0), padding=(0, 1, 0, 1))
    meta = Meta(
        task="prompt", labels=labels, palette=((0, 0, 0),) * len(labels), frame=frame,
        model=ModelInfo("toy", "1", "0" * 64), timings_ms={},
    )  # fmt: skip
    crops = [crop_mask(mask) for mask in masks]
    return PromptResult(
        meta,
        tuple(
            Instance(id=i, class_id=1, score=1 / i, box_xyxy=(0, 0, 1, 1), mask=crop) for i, crop in enumerate(crops, 1)
        ),
    )


def test_the_best_candidate_is_the_class_map() -> None:
    best, other = np.zeros((2, 4, 6), np.bool_)
    best[1:3, 2:5] = other[0, 0] = True
    found = result(best, other)
    np.testing.assert_array_equal(found.class_map, best)
    np.testing.assert_array_equal(np.concatenate(list(found.rows())), best)
    assert [(one.name, one.pixels) for one in found.classes] == [("background", 18), ("object", 6)]
    assert found.kept == ("object",)
    assert found.keep(["object"]) is found
    with pytest.raises(BadRequest):
        found.keep(["cat"])


def test_nothing_found_is_background_everywhere() -> None:
    assert [one.name for one in result().classes] == ["background"]


def test_there_are_two_labels() -> None:
    with pytest.raises(ValueError, match="2 labels"):
        result(labels=("background",))
