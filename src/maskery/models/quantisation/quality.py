"""What two models are worth on a data set, and which is the faster."""

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from maskery.core import card_facts
from maskery.core.arrays import Array
from maskery.evaluation.confusion import Scores
from maskery.inference.runtimes.base import Session

DIGITS = 5
WORST = 5


@dataclass(frozen=True, kw_only=True)
class Score:
    """How good a model is on a data set.

    Attributes:
        measure: What ``value`` is.
        value: 0..1.
        by_class: Its parts; None for a class that does not occur.
        images: Pictures by class.
        quality: The same as a card states it.
    """

    measure: Literal["mIoU", "top-1"]
    value: float
    by_class: Scores
    images: dict[str, int]
    quality: card_facts.Quality


@dataclass(frozen=True)
class ScoreLoss:
    """From ``before`` to ``after``. ``points``: of their measure, to five digits; below zero for a gain."""

    before: Score
    after: Score

    @property
    def points(self) -> float:
        return round(self.before.value - self.after.value, DIGITS)

    def within(self, limit: float) -> bool:
        """Whether no more than ``limit`` is lost."""
        return self.points <= limit

    def worst(self) -> list[str]:
        """The classes that lost most, in words: "boat 0.351 -> 0.277 (2 pictures)"."""
        lost = {
            name: before - (self.after.by_class.get(name) or 0.0)
            for name, before in self.before.by_class.items()
            if before is not None
        }
        names = sorted((name for name in lost if lost[name] > 0), key=lambda name: -lost[name])[:WORST]
        return [
            f"{name} {self.before.by_class[name]:.3f} -> {self.after.by_class.get(name) or 0.0:.3f}"
            f" ({self.before.images[name]} pictures)"
            for name in names
        ]


ROUNDS = 5


@dataclass(frozen=True)
class Timing:
    """Medians: milliseconds of one run, and the ratio of each pair of runs that followed one another."""

    before_ms: float
    after_ms: float
    ratio: float


def compare_speed(
    before: Session, after: Session, inputs: Sequence[Mapping[str, Array]], rounds: int = ROUNDS
) -> Timing:
    """Run both on each of ``inputs``, ``rounds`` times, in alternating order; a first round is not counted.

    The two runs of a pair see the same machine, so their ratio can be trusted where other work blurs the milliseconds.
    """
    pairs: list[tuple[float, float]] = []
    for turn in range(rounds + 1):
        for i, tensors in enumerate(inputs):
            if (turn + i) % 2:
                second = _ms(after, tensors)
                pair = (_ms(before, tensors), second)
            else:
                pair = (_ms(before, tensors), _ms(after, tensors))
            if turn:
                pairs.append(pair)
    return Timing(
        before_ms=statistics.median(a for a, _ in pairs),
        after_ms=statistics.median(b for _, b in pairs),
        ratio=statistics.median(a / b for a, b in pairs),
    )


def _ms(session: Session, inputs: Mapping[str, Array]) -> float:
    started = time.perf_counter()
    session.run(inputs)
    return (time.perf_counter() - started) * 1000
