"""The stream of training crops: which pictures an epoch shows, and one crop of each, the same for the same seed."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from maskery.datasets.base import IGNORE, SegmentationData, read_rgb
from maskery.training.augment import random_crop
from maskery.training.recipe import Data


class Crops(Dataset[tuple[Tensor, Tensor]]):
    """Item i of an epoch: image (3, crop, crop) uint8 and mask (crop / stride, crop / stride) uint8."""

    def __init__(self, source: SegmentationData, data: Data, seed: int) -> None:
        self.source, self.data, self.seed = source, data, seed
        self.repeats = repeat_factors(source, data.repeat_threshold)
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Draw the order of pictures for ``epoch`` (0-based); fractional repeats are rounded at random."""
        rng = np.random.default_rng((self.seed, epoch))
        whole = np.floor(self.repeats)
        times = whole + (rng.random(len(whole)) < self.repeats - whole)
        order = np.repeat(np.arange(len(whole)), times.astype(int))
        rng.shuffle(order)
        self.epoch, self.order = epoch, order

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        index = int(self.order[position])
        rng = np.random.default_rng((self.seed, self.epoch, position))
        image, mask = random_crop(read_rgb(self.source.image_path(index)), self.source.mask(index), self.data, rng)
        return torch.from_numpy(image.copy()).permute(2, 0, 1), torch.from_numpy(mask.copy())


def repeat_factors(source: SegmentationData, threshold: float) -> NDArray[np.float64]:
    """How often an epoch shows each picture: max(1, sqrt(threshold / share of its rarest class)), (N,) float64."""
    present = [classes_in(source.mask(i)) for i in range(len(source))] if threshold > 0 else []
    if not present:
        return np.ones(len(source))
    count = np.bincount([c for classes in present for c in classes], minlength=IGNORE)
    share = count / len(source)
    return np.array([max([1.0] + [math.sqrt(threshold / share[c]) for c in classes]) for classes in present])


def classes_in(mask: NDArray[np.uint8]) -> Sequence[int]:
    """The class ids of a mask, without ``IGNORE``."""
    return [int(c) for c in np.flatnonzero(np.bincount(mask.ravel(), minlength=256)) if c != IGNORE]
