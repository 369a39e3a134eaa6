"""How a model is measured on a data set, and the results: of one model, and of two on the same pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from maskery.core import card_facts
from maskery.core.arrays import Integers
from maskery.core.card import ModelCard
from maskery.core.labels import same_name
from maskery.evaluation.confusion import ENOUGH, ClassificationScores, Scores, SegmentationScores, mean_iou
from maskery.evaluation.matching import OTHER, ClassMatching

DIGITS = 5


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """How a model is measured.

    Attributes:
        format: The data set's, "auto" to recognise it.
        labels: Names of the data set's classes where it names none itself.
        overrides: Classes of the data set -> those of the model, before matching by name
            (``datasets.label_map.match``).
        max_side: Longest side, in pixels, of what the model sees; None = as its card says.
        boundary: Tolerance of the boundary F in pixels; None = 0.75 % of each picture's diagonal, 0 = not measured.
        limit: Only the first pictures.
        worst: How many of the worst pictures are listed.
    """

    format: str = "auto"
    labels: tuple[str, ...] | None = None
    overrides: Mapping[str, Sequence[str]] = field(default_factory=dict)
    max_side: int | None = None
    boundary: int | None = None
    limit: int | None = None
    worst: int = 12


PLAIN = EvaluationOptions()


@dataclass(frozen=True, kw_only=True)
class WorstImage:
    """One of the worst pictures.

    Attributes:
        index: In the data set.
        name: Its file's name.
        score: Mean IoU of the classes of its truth; of a classification the probability of the true class.
        truth: The true class of a classification.
        predicted: The predicted class of a classification.
    """

    index: int
    name: str
    score: float
    truth: str = ""
    predicted: str = ""


@dataclass
class Clock:
    """How long pictures take: milliseconds of each, by stage of the pipeline."""

    seconds: float = 0.0
    stages: dict[str, list[float]] = field(default_factory=dict)

    def note(self, timings_ms: Mapping[str, float]) -> None:
        for stage, spent in timings_ms.items():
            self.stages.setdefault(stage, []).append(spent)

    def medians_ms(self) -> dict[str, float]:
        """The median of each stage over the pictures."""
        return {stage: round(median(spent), 3) for stage, spent in self.stages.items()}


def what_was_measured(card: ModelCard, root: Path, split: str) -> dict[str, Any]:
    """What every measurement's JSON begins with: the model and the data."""
    return {
        "model": card.name,
        "version": card.version,
        "sha256": card.sha256,
        "licence": card.licence.name,
        "task": card.task,
        "data": str(root),
        "split": split,
    }


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A model measured on a data set.

    Attributes:
        card: The model's.
        root: Folder of the data set.
        split: Its split.
        format: Its format's name.
        options: How it was measured.
        pictures: How many were measured.
        of: How many the split has.
        labels: The measured classes, C of them, by the model's names.
        scores: By the model's task.
        confusion: (C, C + 1) int64: pixels (of a classification: pictures) of class t predicted as p; the last column
            is what is none of ``labels``.
        notes: How the classes were matched, where that is not plain, a line each.
        worst: Worst first.
        clock: The times.
    """

    card: ModelCard
    root: Path
    split: str
    format: str
    options: EvaluationOptions
    pictures: int
    of: int
    labels: tuple[str, ...]
    scores: SegmentationScores | ClassificationScores
    confusion: Integers
    notes: tuple[str, ...]
    worst: tuple[WorstImage, ...]
    clock: Clock

    def plain(self) -> dict[str, Any]:
        """As data for JSON: model, data, scores by name, confusion matrix, settings, times."""
        return {
            **what_was_measured(self.card, self.root, self.split),
            "format": self.format,
            "pictures": self.pictures,
            "pictures_of_split": self.of,
            **msgspec.to_builtins(self.scores),
            "label_map": list(self.notes),
            "confusion": {
                "truth": list(self.labels),
                "predicted": [*self.labels, OTHER],
                "counts": self.confusion.tolist(),
            },
            "worst": msgspec.to_builtins(self.worst),
            "settings": {
                "max_side": self.options.max_side,
                "boundary_tolerance": self.options.boundary,
                "overrides": {name: list(names) for name, names in self.options.overrides.items()},
            },
            "timing": {"seconds": round(self.clock.seconds, 2), "median_ms": self.clock.medians_ms()},
        }

    def for_card(self, data: str) -> card_facts.Quality:
        """The numbers as a card states them; ``data`` is what the data set is called there, e.g. its folder's name."""
        scores, note = (
            self.scores,
            "" if self.pictures == self.of else f"the first {self.pictures} of {self.of} pictures",
        )
        if isinstance(scores, ClassificationScores):
            numbers: dict[str, Any] = {"top1": scores.top1, "top5": scores.top5, "accuracy": scores.accuracy}
        else:
            keys = ("miou", "pixel_accuracy", "fw_iou", "mean_accuracy", "mean_dice", "boundary_f", "iou")
            numbers = {key: getattr(scores, key) for key in keys}
            common = mean_iou(scores)
            if common is not None:
                mean = f"mean over the classes with at least {ENOUGH} pictures, without background: {common:.4f}"
                note = "; ".join(part for part in (mean, note) if part)
        overrides = {name: list(names) for name, names in self.options.overrides.items()}
        rounded: dict[str, Any] = {key: _rounded(value) for key, value in numbers.items()}
        return card_facts.Quality(
            data=data,
            split=self.split,
            pictures=self.pictures,
            images=scores.images,
            overrides=overrides,
            note=note,
            **rounded,
        )


def _rounded(value: float | Scores | None) -> float | dict[str, float] | None:
    if isinstance(value, dict):
        return {name: round(number, DIGITS) for name, number in value.items() if number is not None}
    return None if value is None else round(value, DIGITS)


@dataclass(frozen=True)
class MemoryUse:
    """Bytes of the whole process, Python and runtime included; 0 where the system does not say. ``loaded``: with the
    model loaded, before the first picture; ``peak``: the most until the last one.
    """

    loaded: int
    peak: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two models, a and b, on the same pictures.

    Attributes:
        a: Card of the first.
        b: Card of the second.
        pictures: The files.
        matching: How the classes of b are those of a.
        agreement: Share of the pixels in which both predict the same class, of those whose class both know.
        iou: Of a's and b's mask, by class.
        shares: The agreement of each picture.
        median_ms: Of a and b, from the opened picture to its mask.
        qualities: With a data set, both measured against its truth.
        weights: The memory that each takes.
    """

    a: ModelCard
    b: ModelCard
    pictures: tuple[Path, ...]
    matching: ClassMatching
    agreement: float
    iou: Scores
    shares: tuple[float, ...]
    median_ms: tuple[float, float]
    qualities: tuple[Measurement, Measurement] | None = None
    weights: tuple[MemoryUse, MemoryUse] | None = None

    @property
    def speed(self) -> float:
        """How many times as long a takes as b."""
        return self.median_ms[0] / self.median_ms[1] if self.median_ms[1] else 0.0

    def differences(self) -> list[tuple[str, float | None, float | None]]:
        """Class, IoU of a and IoU of b beside the truth, for the classes that both were measured on."""
        if self.qualities is None:
            return []
        of_a, of_b = (msgspec.to_builtins(found.scores)["iou"] for found in self.qualities)
        partners = {same_name(name): value for name, value in of_b.items()}
        return [(name, value, partners[same_name(name)]) for name, value in of_a.items() if same_name(name) in partners]

    def plain(self) -> dict[str, Any]:
        """As data for JSON."""
        sides = {}
        for i, (side, card) in enumerate((("a", self.a), ("b", self.b))):
            facts: dict[str, Any] = {"model": card.name, "version": card.version, "sha256": card.sha256}
            facts["median_ms"] = round(self.median_ms[i], 3)
            facts |= {"memory_bytes": msgspec.to_builtins(self.weights[i])} if self.weights else {}
            facts |= {"quality": msgspec.to_builtins(self.qualities[i].scores)} if self.qualities else {}
            sides[side] = facts
        return {
            **sides,
            "pictures": len(self.pictures),
            "agreement": self.agreement,
            "iou": self.iou,
            "label_map": list(self.matching.notes),
            "time_ratio": round(self.speed, 4),
        }
