import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score, jaccard_score

from maskery.core.labels import IGNORE
from maskery.evaluation.confusion import Confusion, mean_iou, picture_iou, quality

IDS = st.sampled_from([0, 1, 2, 3, IGNORE])
MAPS = hnp.arrays(np.uint8, (2, 6, 7), elements=IDS)


def measured(truth: NDArray[np.integer], predicted: NDArray[np.integer], classes: int) -> Confusion:
    confusion = Confusion(classes)
    for t, p in zip(truth, predicted, strict=True):
        confusion.add(t, p)
    return confusion


@settings(deadline=None)
@given(MAPS, st.integers(0, 2**32 - 1))
def test_everything_equals_scikit_learn(truth: NDArray[np.uint8], seed: int) -> None:
    """Five classes of which the truth has at most four; what is not judged and classes that are nowhere included."""
    predicted = np.random.default_rng(seed).integers(0, 5, truth.shape)
    judged = truth != IGNORE
    t, p = truth[judged], predicted[judged]
    confusion = measured(truth, predicted, 5)
    result = quality(confusion, "abcde")
    if not t.size:
        assert (result.miou, result.pixel_accuracy, result.fw_iou) == (0.0, 0.0, 0.0)
        return
    ids = list(range(5))
    assert np.array_equal(confusion.matrix[:, :5], confusion_matrix(t, p, labels=ids))
    assert not confusion.matrix[:, 5].any()
    options = {"labels": ids, "average": None, "zero_division": 0}
    assert np.allclose([result.iou[c] or 0 for c in "abcde"], jaccard_score(t, p, **options))
    assert np.allclose([result.dice[c] or 0 for c in "abcde"], f1_score(t, p, **options))
    occur = np.union1d(t, p)
    assert result.miou == pytest.approx(jaccard_score(t, p, labels=occur, average="macro", zero_division=0))
    assert result.mean_dice == pytest.approx(f1_score(t, p, labels=occur, average="macro", zero_division=0))
    assert result.fw_iou == pytest.approx(jaccard_score(t, p, average="weighted", zero_division=0))
    assert result.pixel_accuracy == pytest.approx(accuracy_score(t, p))
    recalls = [(p[t == c] == c).mean() for c in np.unique(t)]
    assert result.mean_accuracy == pytest.approx(np.mean(recalls))
    assert [c for c in "abcde" if result.iou[c] is None] == ["abcde"[i] for i in ids if i not in occur]
    assert [c for c in "abcde" if result.accuracy[c] is not None] == ["abcde"[i] for i in np.unique(t)]
    assert [result.images[c] for c in "abcde"] == [int((truth == i).any(axis=(1, 2)).sum()) for i in ids]


def test_mean_accuracy_is_balanced_accuracy() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 5, (4, 30, 20)), rng.integers(0, 5, (4, 30, 20))
    result = quality(measured(truth, predicted, 5), "abcde")
    assert result.mean_accuracy == pytest.approx(balanced_accuracy_score(truth.ravel(), predicted.ravel()))


def test_what_is_none_of_the_classes_is_wrong_and_no_class() -> None:
    confusion = Confusion(2)
    counts = confusion.add(np.array([[0, 0, 1, 1]]), np.array([[0, 7, 1, 2]]))
    assert counts.tolist() == [[1, 0, 1], [0, 1, 1]]
    result = quality(confusion, ("road", "sky"))
    assert result.iou == {"road": 0.5, "sky": 0.5}
    assert result.pixel_accuracy == 0.5


def test_a_class_that_never_occurs_does_not_count() -> None:
    confusion = Confusion(3)
    confusion.add(np.array([[0, 1]]), np.array([[0, 0]]))
    result = quality(confusion, ("background", "cat", "dog"))
    assert result.iou == {"background": 0.5, "cat": 0.0, "dog": None}
    assert result.accuracy == {"background": 1.0, "cat": 0.0, "dog": None}
    assert result.miou == 0.25
    assert (mean_iou(result, at_least=1), mean_iou(result)) == (0.0, None)


def test_boundary_scores_go_along() -> None:
    confusion = measured(np.zeros((1, 2, 2), int), np.zeros((1, 2, 2), int), 2)
    assert (quality(confusion, "ab").boundary_f, quality(confusion, "ab").boundary) == (None, {})
    with_boundary = quality(confusion, "ab", [0.5, None])
    assert (with_boundary.boundary_f, with_boundary.boundary) == (0.5, {"a": 0.5, "b": None})


def test_one_picture_is_judged_by_the_classes_of_its_truth() -> None:
    counts = Confusion(3).add(np.array([[0, 0, 1, 1]]), np.array([[0, 0, 1, 2]]))
    assert picture_iou(counts) == 0.75
    assert picture_iou(np.zeros((3, 4), np.int64)) == 1.0


def test_sizes_must_agree() -> None:
    with pytest.raises(ValueError, match="shape"):
        Confusion(2).add(np.zeros((2, 2), int), np.zeros((2, 3), int))
