"""What a run trains for: segmentation or classification. A job knows its data, its loss and its measure."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from maskery.datasets.base import Concatenated, SegmentationData, read_rgb
from maskery.datasets.class_folder import ClassFolder
from maskery.datasets.formats import open_dataset
from maskery.errors import ConfigError, nearest
from maskery.labels import LABEL_SETS
from maskery.metrics import Confusion, mean_iou, quality
from maskery.training.augment import whole_picture
from maskery.training.crops import Crops, LabelledPictures, Stream, pixels
from maskery.training.recipe import Recipe, Source


class Job(Protocol):
    """``score`` names the number of ``validate`` that says how good the network is."""

    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def stream(self) -> Stream: ...
    @property
    def pictures(self) -> int: ...
    @property
    def score(self) -> str: ...

    def validate(self, net: nn.Module, prepare: "Prepare") -> dict[str, float]:
        """Numbers of ``net``, in evaluation mode, on the validation split: a quick look; ``evaluate`` measures."""
        ...


class Prepare(Protocol):
    """(N, 3, H, W) uint8 -> the network's input on its device."""

    def __call__(self, images: Tensor) -> Tensor: ...


class SegmentationJob:
    score = "miou"

    def __init__(self, recipe: Recipe, root: Path) -> None:
        wanted = label_names(recipe)
        self.parts = [_open(root, source, wanted) for source in recipe.data.train]
        train = Concatenated(self.parts)
        self.labels = tuple(train.labels)
        self.validation = _open(root, recipe.data.validate, self.labels)
        self.pictures = len(train)
        self.stream: Stream = Crops(train, recipe)

    def validate(self, net: nn.Module, prepare: Prepare) -> dict[str, float]:
        """At the pictures' own size."""
        confusion = Confusion(len(self.labels))
        with torch.inference_mode():
            for i in range(len(self.validation)):
                batch = pixels(read_rgb(self.validation.image_path(i)))[None]
                height, width = batch.shape[2:]
                padded = F.pad(prepare(batch), [0, -width % 32, 0, -height % 32])
                logits = net(padded).float()
                logits = F.interpolate(logits, size=padded.shape[2:], mode="bilinear", align_corners=False)
                predicted = logits[0, :, :height, :width].argmax(0).cpu().numpy()
                confusion.add(self.validation.mask(i), predicted)
        result = quality(confusion, self.labels)
        return {"miou": result.miou, "miou20": mean_iou(result), "pixel_accuracy": result.pixel_accuracy}


class ClassificationJob:
    score = "accuracy"

    def __init__(self, recipe: Recipe, root: Path) -> None:
        source = recipe.data.train[0]
        if len(recipe.data.train) > 1:
            raise ConfigError("A classifier trains on one data set.", "Leave one [[data.train]].")
        data = ClassFolder(root / source.path, source.split, label_names(recipe))
        check = recipe.data.validate
        self.labels = data.labels
        self.validation = ClassFolder(root / check.path, check.split, self.labels)
        self.pictures, self.side = len(data), recipe.data.crop
        self.stream: Stream = LabelledPictures(data, recipe)

    def validate(self, net: nn.Module, prepare: Prepare) -> dict[str, float]:
        right = 0
        with torch.inference_mode():
            for images, labels in DataLoader(_Whole(self.validation, self.side), batch_size=64):
                right += int((net(prepare(images)).argmax(1).cpu() == labels).sum())
        return {"accuracy": right / len(self.validation)}


class _Whole(torch.utils.data.Dataset[tuple[Tensor, int]]):
    def __init__(self, data: ClassFolder, side: int) -> None:
        self.data, self.side = data, side

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return pixels(whole_picture(self.data.picture(index), self.side)), self.data.label(index)


def open_job(recipe: Recipe, root: Path) -> Job:
    """The recipe's job. Raises ``DataError`` or ``ConfigError`` where its data cannot be used."""
    return ClassificationJob(recipe, root) if recipe.classifies else SegmentationJob(recipe, root)


def label_names(recipe: Recipe) -> Sequence[str] | None:
    """The classes that the recipe names; None = the data set's own. Raises ``ConfigError``."""
    labels = recipe.data.labels
    if not isinstance(labels, str):
        return labels
    if labels and labels not in LABEL_SETS:
        raise ConfigError(f"Unknown label set {labels!r}.", nearest(labels, LABEL_SETS))
    return LABEL_SETS[labels] if labels else None


def _open(root: Path, source: Source, labels: Sequence[str] | None) -> SegmentationData:
    return open_dataset(root / source.path, source.split, labels or (), source.format)
