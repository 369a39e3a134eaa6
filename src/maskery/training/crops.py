"""The stream of training crops: which pictures an epoch shows, and one crop of each, the same for the same seed."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from maskery.core.errors import ConfigError, nearest
from maskery.core.labels import IGNORE
from maskery.datasets.base import Concatenated, SegmentationData, read_rgb
from maskery.datasets.class_folder import ClassFolder
from maskery.training.augment import cut, cut_mix, log_uniform, paste_object, random_picture, random_window, recolour
from maskery.training.recipe import Data, Recipe, TrainingSource
from maskery.training.soft_labels import SoftLabels, cut_soft, doubtful, forget, nothing


class Stream(Dataset[tuple[Tensor, ...]]):
    """Item i of an epoch. ``order`` lists the pictures of the epoch that was started last."""

    source: SegmentationData | ClassFolder

    def __init__(self, repeats: NDArray[np.float64], recipe: Recipe) -> None:
        self.repeats, self.recipe, self.seed = repeats * recipe.data.passes, recipe, recipe.seed
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Draw the order of pictures for ``epoch`` (0-based); fractional repeats are rounded at random."""
        data = self.recipe.data
        self.data = msgspec.structs.replace(data, crop=crop_of(epoch, self.recipe.optimiser.epochs, data))
        rng = np.random.default_rng((self.seed, epoch))
        whole = np.floor(self.repeats)
        times = whole + (rng.random(len(whole)) < self.repeats - whole)
        order = np.repeat(np.arange(len(whole)), times.astype(int))
        rng.shuffle(order)
        self.epoch, self.order = epoch, order

    def __len__(self) -> int:
        return len(self.order)

    def name(self, position: int) -> str:
        """The name of the picture at this place of the epoch."""
        return self.source.name(int(self.order[position]))

    def _generator(self, position: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, self.epoch, position))


class Crops(Stream):
    """Item i: image (3, crop, crop) uint8 and mask (crop / stride, crop / stride) uint8.

    With ``loss.distil`` also the soft labels (C, crop / 8, crop / 8) float32, NaN where there are none.
    ``soft``: those of each part of ``source``, in order.
    """

    source: Concatenated

    def __init__(self, source: Concatenated, recipe: Recipe, soft: Sequence[SoftLabels | None]) -> None:
        self.source, self.soft, data = source, soft, recipe.data
        ids = {label: i for i, label in enumerate(source.labels)}
        self.swap = _swap_table(data.swap, ids) if data.swap else None
        present = [classes_in(source.mask(i)) for i in range(len(source))] if _looks_at_masks(data) else []
        self.objects: list[tuple[int, int]] = []
        if data.paste:
            wanted = {_id(label, ids, "data.paste.classes") for label in data.paste.classes}
            self.objects = [(i, c) for i, classes in enumerate(present) for c in classes if c in wanted]
            if not self.objects:
                raise ConfigError("No picture has a class of data.paste.classes.", "Correct the list.")
        self.unlabelled = [_others(part, ids) for part in data.train]
        times = np.concatenate([np.full(len(p), s.times) for p, s in zip(source.parts, data.train, strict=True)])
        super().__init__(times * repeat_factors(present, len(source), data.repeat_threshold), recipe)

    def __getitem__(self, position: int) -> tuple[Tensor, ...]:
        index, rng, data = int(self.order[position]), self._generator(position), self.data
        picture = read_rgb(self.source.image_path(index))
        window = random_window(picture.size, data, rng)
        image, target = cut(picture, self.source.mask(index), window, data, self.swap)
        image = recolour(image, data.colour_jitter, rng)
        if not self.recipe.loss.distil:
            self._paste(image, target, rng)
            return pixels(image), torch.from_numpy(np.array(target))
        part, _ = self.source.locate(index)
        labels = self.soft[part]
        if labels is None:
            soft = nothing(len(self.source.labels), data.crop)
        else:
            soft = cut_soft(labels.logits(self.source.name(index)), picture.size, window, data.crop, self.swap)
        if self.unlabelled[part]:
            target.paste(IGNORE, mask=Image.fromarray(doubtful(np.asarray(target), soft, self.unlabelled[part])))
        forget(soft, self._paste(image, target, rng))
        return pixels(image), torch.from_numpy(np.array(target)), soft

    def _paste(self, image: Image.Image, target: Image.Image, rng: np.random.Generator) -> tuple[int, int, int, int]:
        """Perhaps put an object of another picture in; the box that it changed."""
        paste, source = self.data.paste, self.source
        if not paste or rng.random() >= paste.probability:
            return 0, 0, 0, 0
        other, label = self.objects[int(rng.integers(len(self.objects)))]
        size = log_uniform(paste.size, rng)
        return paste_object(image, target, read_rgb(source.image_path(other)), source.mask(other), label, size, rng)


class LabelledPictures(Stream):
    """Item i: image (3, crop, crop) uint8 and its class, a scalar int64.

    With ``data.cut_mix`` the class is a distribution, (classes,) float32: a picture may have a part of another one.
    """

    source: ClassFolder

    def __init__(self, source: ClassFolder, recipe: Recipe) -> None:
        self.source = source
        super().__init__(np.full(len(source), recipe.data.train[0].times), recipe)

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        index, rng = int(self.order[position]), self._generator(position)
        image, label = self._picture(index, rng), self.source.label(index)
        if not self.data.cut_mix:
            return pixels(image), torch.tensor(label)
        shares = torch.zeros(len(self.source.labels))
        shares[label] = 1
        if rng.random() < self.data.cut_mix:
            other = int(rng.integers(len(self.source)))
            share = cut_mix(image, self._picture(other, rng), rng)
            shares[label] -= share
            shares[self.source.label(other)] += share
        return pixels(image), shares

    def _picture(self, index: int, rng: np.random.Generator) -> Image.Image:
        return random_picture(self.source.picture(index), self.data, rng)


def pixels(image: object) -> Tensor:
    """An RGB picture (H, W) as (3, H, W) uint8."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def crop_of(epoch: int, epochs: int, data: Data) -> int:
    """The side of the crops of ``epoch``: from ``crop_start`` to ``crop`` over ``epochs``, a multiple of 32."""
    if not data.crop_start or epochs < 2:
        return data.crop
    side = data.crop_start + (data.crop - data.crop_start) * min(epoch, epochs - 1) / (epochs - 1)
    return 32 * round(side / 32)


def _looks_at_masks(data: Data) -> bool:
    return data.repeat_threshold > 0 or data.paste is not None


def _id(label: str, ids: dict[str, int], where: str) -> int:
    if label not in ids:
        raise ConfigError(f"{where} names {label!r}, which is no class.", nearest(label, ids))
    return ids[label]


def _others(source: TrainingSource, ids: dict[str, int]) -> list[int]:
    """The ids of the classes that ``source`` does not label; [] where it labels all."""
    if not source.labelled:
        return []
    known = {_id(label, ids, f"labelled of {source.path}") for label in (*source.labelled, "background")}
    return [i for i in ids.values() if i not in known]


def _swap_table(pairs: Sequence[tuple[str, str]], ids: dict[str, int]) -> NDArray[np.uint8]:
    """(256,) uint8: what each class id becomes in the mirror."""
    table = np.arange(256, dtype=np.uint8)
    for one, other in pairs:
        a, b = _id(one, ids, "data.swap"), _id(other, ids, "data.swap")
        table[a], table[b] = b, a
    return table


def repeat_factors(present: Sequence[Sequence[int]], pictures: int, threshold: float) -> NDArray[np.float64]:
    """How often an epoch shows each picture: max(1, sqrt(threshold / share of its rarest class)), (N,) float64.

    ``present[i]``: the classes of picture i; not looked at when ``threshold`` is 0.
    """
    if threshold == 0:
        return np.ones(pictures)
    count = np.bincount([c for classes in present for c in classes], minlength=IGNORE)
    share = count / pictures
    return np.array([max([1.0] + [math.sqrt(threshold / share[c]) for c in classes]) for classes in present])


def classes_in(mask: NDArray[np.uint8]) -> Sequence[int]:
    """The class ids of a mask, without ``IGNORE``."""
    return [int(c) for c in np.flatnonzero(np.bincount(mask.ravel(), minlength=256)) if c != IGNORE]
