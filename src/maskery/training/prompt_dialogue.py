"""What a person would say to ``prompt``, round by round: a box or a click, then clicks into its errors."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from maskery.core.arrays import Floats, Integers, Mask, Pixels
from maskery.core.boxes import BoxXyxy
from maskery.core.labels import IGNORE
from maskery.evaluation.simulated_clicks import depths
from maskery.inference.prompts.prompt_maps import Point, prompt_maps
from maskery.training.networks.prompt_decoder import MASK_STRIDE, PROMPT_STRIDE
from maskery.training.recipe import PromptSpec

CELLS = PROMPT_STRIDE // MASK_STRIDE
"""Pixels of a mask along a cell of the prompts' maps."""


@dataclass
class Asked:
    """What was said about one object so far. Points and box in cells of the prompts' maps.

    ``former``: (h, w) float32 probabilities of the answer before, None where there is none.
    """

    positive: list[Point] = field(default_factory=list)
    negative: list[Point] = field(default_factory=list)
    box: BoxXyxy | None = None
    former: Floats | None = None


class Dialogue:
    """Prompts for a batch of objects ``truth`` (N, H, W) uint8 on the grid of the masks: 1 object, 255 not judged."""

    def __init__(self, truth: Pixels, settings: PromptSpec, rng: np.random.Generator) -> None:
        self.truth, self.settings, self.rng = truth == 1, settings, rng
        self.judged: Mask = truth != IGNORE
        self.size_hw = (truth.shape[1] // CELLS, truth.shape[2] // CELLS)
        inside = depths(self.truth)
        self.asked = [self._first(depth) for depth in inside]

    def _first(self, depth: Integers) -> Asked:
        """A box, a click or both; of an object that the crop does not show, a click anywhere."""
        asked, kind = Asked(), self.rng.random()
        if depth.any() and kind < self.settings.boxes + self.settings.both:
            asked.box = self._box(depth > 0)
        if asked.box is None or kind < self.settings.both:
            asked.positive.append(self._point(depth))
        return asked

    def _box(self, mask: Mask) -> BoxXyxy:
        """The object's box, as a person or a detector would draw it: each edge off by some share of its side."""
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        left, top, right, bottom = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        strength = self.settings.jitter * self.rng.random()
        off = self.rng.normal(0, strength, 4) * np.array([right - left, bottom - top] * 2)
        edges = np.array([left, top, right, bottom]) + off
        low, high = np.minimum(edges[:2], edges[2:]), np.maximum(edges[:2], edges[2:])
        x0, y0, x1, y1 = (float(edge) / CELLS for edge in (*low, *high))
        return x0, y0, x1, y1

    def _point(self, depth: Integers) -> Point:
        """The deepest pixel, or one drawn by depth; anywhere where there is none."""
        deep = depth.max()
        if deep and self.rng.random() < self.settings.deepest:
            places = np.flatnonzero(depth == deep)
        elif deep:
            places = np.flatnonzero(depth >= max(1, 0.3 * deep * self.rng.random()))
        else:
            places = np.arange(depth.size)
        row, column = divmod(int(self.rng.choice(places)), depth.shape[1])
        return (column + 0.5) / CELLS, (row + 0.5) / CELLS

    def prompts(self) -> Tensor:
        """(N, 4, h, w) float32: what was said so far."""
        drawn = [prompt_maps(one.positive, one.negative, one.box, one.former, self.size_hw) for one in self.asked]
        return torch.from_numpy(np.stack(drawn))

    def correct(self, logits: Tensor) -> None:
        """Say more: a click into an error of each answer (N, H, W), which is shown as the former mask, mostly."""
        answers = logits.detach().float().cpu()
        wrong = (answers.numpy() > 0) != self.truth
        wrong &= self.judged
        missing, surplus = depths(wrong & self.truth), depths(wrong & ~self.truth)
        former = former_of(answers)
        for one, lacks, has, mask in zip(self.asked, missing, surplus, former, strict=True):
            if not max(lacks.max(), has.max()):
                continue
            (one.positive if lacks.max() >= has.max() else one.negative).append(
                self._point(lacks if lacks.max() >= has.max() else has)
            )
            one.former = None if self.rng.random() < self.settings.forget else mask


def former_of(logits: Tensor) -> Floats:
    """(N, H, W) of an answer -> (N, h, w) probabilities, as the next prompt has them."""
    found: Floats = F.avg_pool2d(logits.sigmoid()[:, None], CELLS)[:, 0].numpy()
    return found


def best_of(logits: Tensor, scores: Tensor) -> Tensor:
    """(N, K, H, W) and (N, K) -> (N, H, W): the candidate with the highest predicted score."""
    return logits[torch.arange(len(logits)), scores.argmax(1)]


def rounds_of(settings: PromptSpec, rng: np.random.Generator) -> int:
    """How many rounds a batch has: 1 to ``settings.rounds``."""
    return int(rng.integers(1, settings.rounds + 1))


def drawn_generator() -> np.random.Generator:
    """Seeded by torch's, so that a resumed run draws what an uninterrupted one would have drawn."""
    return np.random.default_rng(int(torch.randint(2**31, (1,))))
