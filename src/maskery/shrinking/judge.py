"""What a model is worth on a data set, as ``maskery evaluate`` says it, and what is lost from one file to the next."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from maskery import model_card
from maskery.evaluation import measure
from maskery.measuring.terms import Progress, Terms
from maskery.metrics import Hits, Scores
from maskery.pipeline import Model

DIGITS = 5
WORST = 5


@dataclass(frozen=True)
class Verdict:
    """``value``: what ``measure`` names, 0..1, and its parts by class; None for a class that does not occur.

    ``quality``: the same as a card says it.
    """

    measure: Literal["mIoU", "top-1"]
    value: float
    by_class: Scores
    images: dict[str, int]
    quality: model_card.Quality


def judge(model: Model, root: Path, split: str, format: str, progress: Progress) -> Verdict:
    """Measure through the serving road. Raises what ``evaluation.measure`` raises."""
    found = measure(model, root, split, Terms(format, boundary=0), progress)
    scores, quality = found.scores, found.for_card(root.resolve().name)
    if isinstance(scores, Hits):
        return Verdict("top-1", scores.top1, scores.accuracy, scores.images, quality)
    return Verdict("mIoU", scores.miou, scores.iou, scores.images, quality)


@dataclass(frozen=True)
class Loss:
    """From ``before`` to ``after``. ``points``: of their measure, to five digits; below zero for a gain."""

    before: Verdict
    after: Verdict

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
