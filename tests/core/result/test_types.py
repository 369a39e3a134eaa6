"""Results check themselves when made."""

from dataclasses import replace

import numpy as np
import pytest

from maskery.core.errors import BadRequest
from maskery.core.result.types import ClassificationResult, ForegroundResult
from tests.encode.results import classification, foreground, halves, semantic, with_maps


def test_a_map_of_another_size_or_type_is_refused() -> None:
    result = semantic(halves(12, 16))
    with pytest.raises(ValueError, match=r"class_map has shape \(3, 16\), expected \(12, 16\)"):
        replace(result, class_map=result.class_map[:3])
    with pytest.raises(ValueError, match="dtype int64, expected uint8 or uint16"):
        replace(result, class_map=result.class_map.astype(np.int64))
    with pytest.raises(ValueError, match="a map is called 'heat'"):
        replace(result, maps={"heat": np.zeros((12, 16), np.float32)})
    with pytest.raises(ValueError, match="alpha has shape"):
        ForegroundResult(foreground(halves()).meta, np.zeros((2, 2), np.uint8))


def test_an_id_without_a_label_is_refused_but_for_the_one_of_no_class() -> None:
    ids = halves()
    ids[0, 0] = 255
    assert [share.id for share in semantic(ids).classes] == [0, 1, 2]
    ids[0, 0] = 3
    with pytest.raises(ValueError, match="class_map has id 3, but there are 3 labels"):
        semantic(ids)


def test_labels_of_a_soft_mask_and_scores_of_a_classifier() -> None:
    with pytest.raises(ValueError, match="2 labels, not 3"):
        ForegroundResult(semantic(halves()).meta, halves())
    with pytest.raises(ValueError, match=r"scores has shape \(2,\), expected \(7,\)"):
        ClassificationResult(classification().meta, np.zeros(2, np.float32))


def test_the_likeliest_first() -> None:
    assert [name for name, _ in classification().top(3)] == ["b", "d", "f"]


def test_kept_classes() -> None:
    result = with_maps(halves()).keep(["dog"])
    assert set(np.unique(result.class_map)) == {0, 2}
    assert result.kept == ("dog",)
    assert set(result.maps) == {"confidence", "entropy", "margin"}
    without = semantic(halves(), ("sky", "cat", "dog")).keep(["dog"])
    assert set(np.unique(without.class_map)) == {2, without.unlabelled}
    with pytest.raises(BadRequest, match="'dog'"):
        result.keep(["dgo"])
