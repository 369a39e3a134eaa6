"""Objects and classes of one picture in one result."""

import numpy as np
import pytest

from maskery.core.result.panoptic_result import PanopticResult
from tests.encode.results import instances, semantic


def test_pixels_and_objects_are_kept_together() -> None:
    listed = instances()
    pixels = np.full((12, 16), 2, np.uint8)
    pixels[:, :3] = 1
    result = PanopticResult(listed.meta, listed.instances, semantic(pixels))
    kept = result.keep(["cat"])
    assert [one.class_id for one in kept.instances] == [1]
    assert kept.kept == ("cat",)
    assert set(np.unique(kept.class_map)) == {0, 1}
    np.testing.assert_array_equal(np.concatenate(list(result.rows())), pixels)
    assert [item.name for item in result.classes] == ["dog", "cat"]
    assert result.decided_by == "interpolated scores"
    assert result.unlabelled == 255


def test_another_size_is_refused() -> None:
    listed = instances()
    with pytest.raises(ValueError, match="different sizes"):
        PanopticResult(listed.meta, listed.instances, semantic(np.zeros((5, 5), np.uint8)))
