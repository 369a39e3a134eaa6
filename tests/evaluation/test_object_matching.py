"""Classes of objects of a data set and of a model."""

import pytest

from maskery.core.errors import DataError
from maskery.evaluation.object_matching import pair_objects


def test_by_name_and_synonym() -> None:
    found = pair_objects(["background", "couch", "person", "kite"], ["person", "sofa", "horse"])
    assert found.labels == ("person", "sofa")
    assert found.truth == {"couch": 1, "person": 0}
    assert found.predicted == {0: 0, 1: 1}
    assert found.notes == (
        "couch counts as sofa (the same by another name)",
        "not measured, for the model has no such class: kite",
        "not measured, for the data set has no such class: horse",
    )


def test_background_is_no_object_of_either() -> None:
    found = pair_objects(["background", "cat"], ["background", "dog", "cat"])
    assert (found.labels, found.truth, found.predicted) == (("cat",), {"cat": 0}, {2: 0})
    with pytest.raises(DataError, match="no class name in common"):
        pair_objects(["background", "kite"], ["background", "cat"])


def test_overrides_join_and_leave_out() -> None:
    found = pair_objects(["car", "truck", "person"], ["person", "car"], {"truck": ["car"], "person": []})
    assert found.labels == ("car",)
    assert found.truth == {"car": 0, "truck": 0}
    assert "car and truck are one class, car" in found.notes
