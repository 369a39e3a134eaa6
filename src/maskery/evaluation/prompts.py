"""How well a model of prompts cuts out what is asked for: from the true box, and after each of some simulated clicks.

docs/evaluation.md defines the numbers.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maskery.core.arrays import Doubles, Mask
from maskery.core.card import ModelCard
from maskery.core.card_facts import PromptQuality, Quality
from maskery.core.progress import Progress, silent
from maskery.core.prompt import Click, Prompt
from maskery.core.result.instances import CropMask
from maskery.datasets.base import read_rgb
from maskery.datasets.object_masks import open_objects
from maskery.evaluation.measurement import what_was_measured
from maskery.evaluation.simulated_clicks import iou, next_click
from maskery.inference.prompts.embedded_picture import EmbeddedPicture
from maskery.inference.prompts.prompt_model import PromptModel

SMALL = 1024
"""Objects of at most so many pixels are left out: COCO's small ones."""
CURVE, MOST = 5, 20
"""The mean IoU is stated after up to so many clicks; a number of clicks ends at the other."""
TARGETS = (0.85, 0.90)
DRAWS, LOW, HIGH = 1000, 2.5, 97.5
DIGITS = 4


@dataclass(frozen=True)
class PromptScores:
    """Of N objects. ``box``: (N,) IoU from the true box; ``clicks``: (N, CURVE) IoU after 1, 2, ... clicks;
    ``needed``: (N, 2) clicks until the IoU reaches ``TARGETS``, ``MOST`` where it never does.
    """

    box: Doubles
    clicks: Doubles
    needed: Doubles

    def columns(self) -> dict[str, Doubles]:
        """Each number by its name in JSON: the objects' values, of which it is the mean."""
        after = {f"iou_{i}_clicks" if i > 1 else "iou_1_click": self.clicks[:, i - 1] for i in range(1, CURVE + 1)}
        needed = {f"noc_{round(100 * target)}": self.needed[:, i] for i, target in enumerate(TARGETS)}
        return {"iou_box": self.box, **after, **needed}

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Of each number the middle 95 % of its means over objects drawn again with replacement (bootstrap)."""
        drawn = np.random.default_rng(0).integers(len(self.box), size=(DRAWS, len(self.box)))
        found = {}
        for name, values in self.columns().items():
            low, high = np.percentile(values[drawn].mean(1), (LOW, HIGH))
            found[name] = (round(float(low), DIGITS), round(float(high), DIGITS))
        return found


@dataclass(frozen=True, kw_only=True)
class PromptMeasurement:
    """A model of prompts measured on a data set.

    Attributes:
        card: The model's.
        root: Folder of the data set.
        split: Its split.
        least_area: Objects of at most so many pixels were left out.
        pictures: How many were looked at.
        scores: Of each object.
        seconds: For all of them.
    """

    card: ModelCard
    root: Path
    split: str
    least_area: int
    pictures: int
    scores: PromptScores
    seconds: float

    def means(self) -> dict[str, float]:
        return {name: round(float(values.mean()), DIGITS) for name, values in self.scores.columns().items()}

    def plain(self) -> dict[str, Any]:
        """As data for JSON."""
        return {
            **what_was_measured(self.card, self.root, self.split),
            "pictures": self.pictures,
            "objects": len(self.scores.box),
            **self.means(),
            "intervals": {name: list(ends) for name, ends in self.scores.intervals().items()},
            "settings": {"least_area": self.least_area, "most_clicks": MOST},
            "timing": {"seconds": round(self.seconds, 2)},
        }

    def for_card(self, data: str) -> Quality:
        """The numbers as a card states them; ``data`` is what the data set is called there."""
        means, needed = self.means(), [float(values) for values in self.scores.needed.mean(0)]
        return Quality(
            data=data,
            split=self.split,
            pictures=self.pictures,
            prompts=PromptQuality(
                objects=len(self.scores.box),
                least_area=self.least_area,
                iou_box=means["iou_box"],
                iou_clicks=[round(float(value), DIGITS) for value in self.scores.clicks.mean(0)],
                noc_85=round(needed[0], 2),
                noc_90=round(needed[1], 2),
                intervals=self.scores.intervals(),
            ),
        )


@dataclass(frozen=True, kw_only=True)
class PromptOptions:
    """How a model of prompts is measured.

    Attributes:
        format: The data set's (``datasets.object_masks``), "auto" to recognise it.
        least_area: Objects of at most so many pixels are left out.
        limit: Only the first so many pictures.
        most: Clicks an object, at most.
    """

    format: str = "auto"
    least_area: int = SMALL
    limit: int | None = None
    most: int = MOST


def measure_prompts(
    model: PromptModel, root: Path, split: str, options: PromptOptions, progress: Progress = silent
) -> PromptMeasurement:
    """Ask for every object of a split, by its true box and by clicks. IoU is of the picture's own pixels.

    Raises ``DataError`` for a data set that is missing or damaged or has no objects, ``ModelError``.
    """
    pictures = open_objects(root, split, options.format, options.least_area)[: options.limit]
    rows, started = list[Doubles](), time.perf_counter()
    for done, source in enumerate(pictures, 1):
        embedded = model.embed(np.asarray(read_rgb(source.path)))
        for mask in source.objects:
            judge = _Judge(model, embedded, mask.placed(source.size_wh), ~source.ignored.placed(source.size_wh))
            rows.append(np.array([judge.from_box(mask), *judge.clicked(options.most)]))
        progress(done, len(pictures))
    table = np.stack(rows)
    return PromptMeasurement(
        card=model.card,
        root=root,
        split=split,
        least_area=options.least_area,
        pictures=len(pictures),
        scores=PromptScores(table[:, 0], table[:, 1 : 1 + CURVE], table[:, 1 + CURVE :]),
        seconds=time.perf_counter() - started,
    )


@dataclass(frozen=True)
class _Judge:
    """One object, ``truth`` (H, W), of which only ``judged`` pixels count."""

    model: PromptModel
    embedded: EmbeddedPicture
    truth: Mask
    judged: Mask

    def from_box(self, mask: CropMask) -> float:
        (left, top), (width, height) = mask.left_top, mask.size_wh
        return self._iou(self._answer(Prompt(box_xyxy=(left, top, left + width, top + height))))

    def clicked(self, most: int) -> list[float]:
        """IoU after 1 to ``CURVE`` clicks, then the clicks needed for each of ``TARGETS``."""
        clicks, found = list[Click](), list[float]()
        answer, places = np.zeros_like(self.truth), np.zeros_like(self.truth)
        while len(found) < CURVE or (found[-1] < max(TARGETS) and len(found) < most):
            click = next_click(self.truth, answer, self.judged, places)
            if click is not None:
                x, y = click.centre_xy
                clicks.append(Click(x, y, click.positive))
                places[click.xy[1], click.xy[0]] = True
                answer = self._answer(Prompt(clicks=tuple(clicks)))
            found.append(self._iou(answer))
        return found[:CURVE] + [_first(found, target, most) for target in TARGETS]

    def _answer(self, prompt: Prompt) -> Mask:
        best = self.model.decode(self.embedded, prompt)
        return best[0].mask.placed(self.embedded.size_wh) if best else np.zeros_like(self.truth)

    def _iou(self, answer: Mask) -> float:
        return iou(self.truth, answer, self.judged)


def _first(found: Sequence[float], target: float, most: int) -> float:
    return next((float(i) for i, value in enumerate(found[:most], 1) if value >= target), float(most))
