"""Panoptic quality by its definition (Kirillov et al., CVPR 2019, arXiv 1801.00868), of things."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskery.core.arrays import Integers, Mask
from maskery.core.result.instances import CropMask

MATCHED = 0.5
"""A true and a predicted segment whose IoU is larger are one; of each at most one can be."""


@dataclass(frozen=True, eq=False)
class Segment:
    """One object: the index of its class, and its mask. A ``crowd`` is not counted, nor what lies mostly in it."""

    label: int
    mask: CropMask
    crowd: bool = False


@dataclass(frozen=True)
class Quality3:
    """``pq`` = ``sq`` x ``rq``: sum of the IoUs of the matched / (TP + FP / 2 + FN / 2); ``sq``: mean IoU of the
    matched; ``rq``: TP / (TP + FP / 2 + FN / 2).
    """

    pq: float
    sq: float
    rq: float


class PanopticTally:
    """By class: ``overlap``, the sum of the matched IoUs, ``hit``, ``imagined`` and ``missed``, (C,) each."""

    def __init__(self, classes: int) -> None:
        self.overlap = np.zeros(classes)
        self.hit, self.imagined, self.missed = (np.zeros(classes, np.int64) for _ in range(3))

    def add(self, truth: Sequence[Segment], predicted: Sequence[Segment], ignored: Mask) -> None:
        """One picture. ``predicted``: surest first; a pixel belongs to the first that has it. ``ignored``: (H, W)."""
        size_wh = (ignored.shape[1], ignored.shape[0])
        true, found = _painted(truth, size_wh), _painted(predicted, size_wh)
        joint = _joint(true, found, ~ignored, len(truth), len(predicted))
        crowds = [i for i, one in enumerate(truth, 1) if one.crowd]
        areas_true, areas_found = joint.sum(1), joint.sum(0)
        taken = set[int]()
        for i, segment in enumerate(truth, 1):
            if segment.crowd or not areas_true[i]:
                continue
            match = self._match(i, segment, predicted, joint)
            if match:
                taken.add(match[0])
                self.hit[segment.label] += 1
                self.overlap[segment.label] += match[1]
            else:
                self.missed[segment.label] += 1
        whole = np.bincount(found.reshape(-1), minlength=len(predicted) + 1)
        for j, segment in enumerate(predicted, 1):
            same = sum(joint[i, j] for i in crowds if truth[i - 1].label == segment.label)
            unjudged = whole[j] - areas_found[j] + same
            if j not in taken and whole[j] and unjudged <= whole[j] / 2:
                self.imagined[segment.label] += 1

    def _match(
        self, i: int, segment: Segment, predicted: Sequence[Segment], joint: Integers
    ) -> tuple[int, float] | None:
        for j, other in enumerate(predicted, 1):
            union = joint[i].sum() + joint[:, j].sum() - joint[i, j]
            if other.label == segment.label and union and joint[i, j] / union > MATCHED:
                return j, float(joint[i, j] / union)
        return None

    def quality(self, label: int) -> Quality3 | None:
        """Of one class; None where it is neither in the truth nor predicted."""
        hit = int(self.hit[label])
        below = hit + (int(self.imagined[label]) + int(self.missed[label])) / 2
        if not below:
            return None
        mean = float(self.overlap[label]) / hit if hit else 0.0
        return Quality3(float(self.overlap[label]) / below, mean, hit / below)


def _painted(segments: Sequence[Segment], size_wh: tuple[int, int]) -> Integers:
    """(H, W): the place of the first segment that has the pixel, from 1."""
    numbers = np.zeros(size_wh[::-1], np.int64)
    for number in range(len(segments), 0, -1):
        mask = segments[number - 1].mask
        (left, top), (width, height) = mask.left_top, mask.size_wh
        numbers[top : top + height, left : left + width][mask.decoded()] = number
    return numbers


def _joint(
    true: Integers,
    found: Integers,
    judged: Mask,
    count: int,
    others: int,
) -> Integers:
    """Pixels that segment i of the truth and j of the prediction have in common, 0 = none, where it is judged."""
    pairs = true[judged] * (others + 1) + found[judged]
    return np.bincount(pairs, minlength=(count + 1) * (others + 1)).reshape(count + 1, others + 1)
