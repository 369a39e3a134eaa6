import pytest

from maskery.core.card import Quality
from maskery.models.quantisation.quality import Score, ScoreLoss

QUALITY = Quality(data="d")


def verdict(value: float, **by_class: float | None) -> Score:
    return Score("mIoU", value, by_class, dict.fromkeys(by_class, 7), QUALITY)


@pytest.mark.parametrize(
    ("before", "after", "points", "within"),
    [
        (0.5, 0.5, 0.0, True),
        (0.5, 0.49, 0.01, True),  # exactly at the limit, which is not a number of two's powers
        (0.5, 0.48999, 0.01001, False),
        (0.5, 0.6, -0.1, True),
    ],
)
def test_the_gate(before: float, after: float, points: float, within: bool) -> None:
    loss = ScoreLoss(verdict(before), verdict(after))
    assert loss.points == points
    assert loss.within(0.01) is within


def test_without_a_limit_any_loss_is_one() -> None:
    assert ScoreLoss(verdict(0.5), verdict(0.5)).within(0)
    assert not ScoreLoss(verdict(0.5), verdict(0.4999)).within(0)


def test_the_classes_that_lose_most_are_named_and_those_that_gain_are_not() -> None:
    before = verdict(0.5, cat=0.9, dog=0.8, cow=0.1, bird=None, ox=0.3)
    after = verdict(0.4, cat=0.85, dog=0.4, cow=0.2, bird=0.0, ox=None)
    assert ScoreLoss(before, after).worst() == [
        "dog 0.800 -> 0.400 (7 pictures)",
        "ox 0.300 -> 0.000 (7 pictures)",
        "cat 0.900 -> 0.850 (7 pictures)",
    ]
