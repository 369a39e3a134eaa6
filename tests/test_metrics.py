import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from maskery.metrics import IGNORE, Confusion, mean_iou, quality


def test_iou_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 5, (4, 30, 20)), rng.integers(0, 4, (4, 30, 20))
    truth[0, :5] = IGNORE
    confusion = Confusion(5)
    for t, p in zip(truth, predicted, strict=True):
        confusion.add(t, p)
    judged = truth != IGNORE
    expected = jaccard_score(truth[judged], predicted[judged], labels=range(5), average=None, zero_division=0)
    result = quality(confusion, "abcde")
    assert np.allclose([result.iou[c] for c in "abcde"], expected)
    assert result.miou == pytest.approx(np.mean(expected))
    assert result.pixel_accuracy == pytest.approx((truth == predicted)[judged].mean())
    assert result.images == dict.fromkeys("abcde", 4)


def test_a_class_that_never_occurs_does_not_count() -> None:
    confusion = Confusion(3)
    confusion.add(np.array([[0, 1]]), np.array([[0, 0]]))
    result = quality(confusion, ("background", "cat", "dog"))
    assert result.iou == {"background": 0.5, "cat": 0.0, "dog": None}
    assert result.miou == 0.25
    assert mean_iou(result, at_least=1) == 0.0


def test_sizes_must_agree() -> None:
    with pytest.raises(ValueError, match="shape"):
        Confusion(2).add(np.zeros((2, 2), int), np.zeros((2, 3), int))
