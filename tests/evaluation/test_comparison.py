"""Two models that say what the colours say, with names that mean more or less the same."""

from pathlib import Path

import numpy as np
import pytest

from maskery.core.errors import BadRequest, DataError, ModelError
from maskery.evaluation.comparison import compare_on_data, compare_pictures
from maskery.evaluation.confusion import SegmentationScores
from maskery.evaluation.measurement import EvaluationOptions
from maskery.evaluation.report.comparison_page import sheet
from maskery.models.memory_use import measure_memory
from tests.toys import add, reds

MAP = np.repeat([0, 1, 2], 8)[:, None].repeat(24, axis=1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Picture a: the truth is what is seen; b: the third class is truly the second."""
    add(tmp_path, "a", MAP, MAP)
    add(tmp_path, "b", MAP, np.minimum(MAP, 1))
    return tmp_path


def test_the_same_model_twice_agrees(data: Path) -> None:
    model = reds(("road", "sky", "tree"))
    found = compare_pictures(model, model, sorted((data / "images" / "val").iterdir()))
    assert found.agreement == 1.0
    assert found.iou == {"road": 1.0, "sky": 1.0, "tree": 1.0}
    assert found.shares == (1.0, 1.0)
    assert min(found.median_ms) > 0
    assert found.plain()["time_ratio"] == round(found.speed, 4)


def test_beside_the_truth_with_other_words_and_an_unknown_class(data: Path) -> None:
    """The second model takes trees for sky: it knows none, and is not judged where there are some."""
    one, other = reds(("road", "sky", "tree")), reds(("road", "sky"))
    done: list[int] = []
    found = compare_on_data(
        one, other, data, "val", EvaluationOptions(labels=("road", "sky", "tree")), lambda now, total: done.append(now)
    )
    assert done == [1, 2]
    assert found.matching.labels == ("road", "sky")
    assert found.agreement == pytest.approx(2 / 3)
    assert found.iou == {"road": 1.0, "sky": 0.5}
    assert found.qualities is not None
    of_one, of_other = (one.scores for one in found.qualities)
    assert isinstance(of_one, SegmentationScores)
    assert isinstance(of_other, SegmentationScores)
    assert of_one.iou == {"road": 1.0, "sky": 2 / 3, "tree": 0.5}
    assert of_other.iou == {"road": 1.0, "sky": 1.0}
    assert found.differences() == [("road", 1.0, 1.0), ("sky", 2 / 3, 1.0)]
    plain = found.plain()
    assert plain["b"]["quality"]["iou"]["sky"] == 1.0
    assert plain["pictures"] == 2


def test_the_sheet_shows_where_they_differ(data: Path) -> None:
    one, other = reds(("road", "sky", "tree")), reds(("road", "sky"))
    page = sheet(
        compare_on_data(one, other, data, "val", EvaluationOptions(labels=("road", "sky", "tree"))), one, other
    )
    assert page.count("data:image/jpeg;base64,") == 8
    for text in ("66.7%", "+0.333", "different in red", "a.png", "wrong wherever predicted: tree"):
        assert text in page
    assert "http" not in page


def test_what_cannot_be_compared(data: Path) -> None:
    pictures = sorted((data / "images" / "val").iterdir())
    with pytest.raises(BadRequest, match="no mask to compare"):
        compare_pictures(reds(("a", "b")), reds(("a", "b"), "classification"), pictures)
    with pytest.raises(DataError, match="no class name in common"):
        compare_pictures(reds(("a", "b")), reds(("c", "d")), pictures)


def test_each_is_weighed_in_a_process_of_its_own(data: Path) -> None:
    weight = measure_memory("everyday", sorted((data / "images" / "val").iterdir())[:1])
    assert 20e6 < weight.loaded <= weight.peak < 2e9
    with pytest.raises(ModelError, match="There is no model"):
        measure_memory("nothing-like-it", [])
