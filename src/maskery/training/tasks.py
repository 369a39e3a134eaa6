"""What a run trains for: segmentation, classification or prompts. A job knows its data, its loss and its measure."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset

from maskery.core.errors import ConfigError, DataError, nearest
from maskery.core.labels import IGNORE, LABEL_SETS, palette_of
from maskery.datasets.base import Concatenated, SegmentationData, read_rgb, refuse_empty
from maskery.datasets.class_folder import ClassFolder
from maskery.datasets.formats import open_dataset
from maskery.datasets.unlabelled import Unlabelled
from maskery.evaluation.confusion import Confusion, mean_iou, quality
from maskery.training.augment import whole_picture
from maskery.training.contact_sheet import CELLS, ROWS, label_sheet, mask_sheet, spread
from maskery.training.crops import Crops, LabelledPictures, Stream, pixels
from maskery.training.losses import total_loss
from maskery.training.networks.base import Net
from maskery.training.prompt_task import PromptTask
from maskery.training.recipe import UNLABELLED, Recipe, TrainingSource
from maskery.training.soft_labels import SoftLabels
from maskery.training.training_task import Forward, Prepare, TrainingTask


class _ByClass:
    """The part of a task that is the same for all networks that give scores of classes."""

    recipe: Recipe

    def loss(self, forward: Forward, net: Net, prepared: Tensor, truth: Sequence[Tensor]) -> Tensor:
        targets, *soft = truth
        return total_loss(forward(prepared), targets, self.recipe.loss, *soft)

    def look(self, net: Net, prepared: Tensor, truth: Sequence[Tensor]) -> object:
        return net(prepared)


class SegmentationTask(_ByClass):
    score = "miou"

    def __init__(self, recipe: Recipe, root: Path) -> None:
        self.recipe = recipe
        wanted = label_names(recipe)
        self.parts = [_open(root, source, wanted) for source in recipe.data.train]
        train = Concatenated(self.parts)
        self.labels = tuple(train.labels)
        soft = [
            SoftLabels(Path(source.soft), part, self.labels) if source.soft else None
            for source, part in zip(recipe.data.train, self.parts, strict=True)
        ]
        self.validation = _open(root, recipe.data.validate, self.labels)
        self.pictures = len(train)
        _refuse_one_class(train)
        self.stream: Stream = Crops(train, recipe, soft)

    @property
    def validation_pictures(self) -> int:
        return len(self.validation)

    def validate(self, net: nn.Module, prepare: Prepare, most: int | None = None) -> dict[str, float]:
        """At the pictures' own size."""
        confusion = Confusion(len(self.labels))
        for i in range(len(self.validation))[:most]:
            confusion.add(self.validation.mask(i), self._predict(i, net, prepare))
        result = quality(confusion, self.labels)
        common = mean_iou(result)
        of_common = {} if common is None else {"miou20": common}
        if result.ignored_share:
            of_common["ignored"] = result.ignored_share
        return {"miou": result.miou, "pixel_accuracy": result.pixel_accuracy} | of_common

    def _predict(self, index: int, net: nn.Module, prepare: Prepare) -> NDArray[np.int64]:
        """The class ids of a validation picture, (H, W)."""
        batch = pixels(read_rgb(self.validation.image_path(index)))[None]
        height, width = batch.shape[2:]
        with torch.inference_mode():
            padded = F.pad(prepare(batch), [0, -width % 32, 0, -height % 32])
            logits = net(padded).float()
            logits = F.interpolate(logits, size=padded.shape[2:], mode="bilinear", align_corners=False)
            predicted: NDArray[np.int64] = logits[0, :, :height, :width].argmax(0).cpu().numpy()
        return predicted

    def sheet(self, net: nn.Module, prepare: Prepare) -> Image.Image:
        """Rows of picture, truth and prediction."""
        data = self.validation
        return mask_sheet(
            [
                (read_rgb(data.image_path(i)), data.mask(i), self._predict(i, net, prepare))
                for i in spread(len(data), ROWS)
            ],
            palette_of(self.labels),
        )


class ClassificationTask(_ByClass):
    score = "accuracy"

    def __init__(self, recipe: Recipe, root: Path) -> None:
        self.recipe = recipe
        source = recipe.data.train[0]
        if len(recipe.data.train) > 1:
            raise ConfigError("A classifier trains on one data set.", "Leave one [[data.train]].")
        data = ClassFolder(root / source.path, source.split, label_names(recipe))
        check = recipe.data.validate
        self.labels = data.labels
        self.validation = ClassFolder(root / check.path, check.split, self.labels)
        refuse_empty(data, root / source.path, source.split)
        refuse_empty(self.validation, root / check.path, check.split)
        self.pictures, self.side = len(data), recipe.data.crop
        self.stream: Stream = LabelledPictures(data, recipe)

    @property
    def validation_pictures(self) -> int:
        return len(self.validation)

    def validate(self, net: nn.Module, prepare: Prepare, most: int | None = None) -> dict[str, float]:
        chosen = range(len(self.validation))[:most]
        right = 0
        with torch.inference_mode():
            whole = Subset(_Whole(self.validation, self.side), chosen)
            for images, labels in DataLoader(whole, batch_size=64):
                right += int((net(prepare(images)).argmax(1).cpu() == labels).sum())
        return {"accuracy": right / len(chosen)}

    def sheet(self, net: nn.Module, prepare: Prepare) -> Image.Image:
        """Pictures with the predicted class, and the true one where that is wrong."""
        data, chosen = self.validation, spread(len(self.validation), CELLS)
        whole = _Whole(data, self.side)
        with torch.inference_mode():
            predicted = net(prepare(torch.stack([whole[i][0] for i in chosen]))).argmax(1).tolist()
        cells = [
            (data.picture(i), self.labels[data.label(i)], self.labels[s])
            for i, s in zip(chosen, predicted, strict=True)
        ]
        return label_sheet(cells)


class _Whole(torch.utils.data.Dataset[tuple[Tensor, int]]):
    def __init__(self, data: ClassFolder, side: int) -> None:
        self.data, self.side = data, side

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return pixels(whole_picture(self.data.picture(index), self.side)), self.data.label(index)


def open_job(recipe: Recipe, root: Path) -> TrainingTask:
    """The recipe's job. Raises ``DataError`` or ``ConfigError`` where its data cannot be used."""
    if recipe.cuts_out:
        return PromptTask(recipe, root)
    return ClassificationTask(recipe, root) if recipe.classifies else SegmentationTask(recipe, root)


LOOKED_AT = 200  # masks of a small data set that are looked at before the first step


def _refuse_one_class(train: Concatenated) -> None:
    """Raises ``DataError`` where the masks of a small data set have one class at most: nothing could be learnt."""
    masks: list[SegmentationData] = [part for part in train.parts if not isinstance(part, Unlabelled)]
    if not masks or len(masks) < len(train.parts) or len(train) > LOOKED_AT:
        return
    seen = set[int]()
    for index in range(len(train)):
        seen.update(np.unique(train.mask(index)).tolist())
        if len(seen - {IGNORE}) > 1:
            return
    only = ", ".join(train.labels[i] for i in seen - {IGNORE}) or "no class at all"
    cure = "See how the masks store their classes."
    if IGNORE in seen:
        cure = "They hold only 0 and 255, which is ignored: give the class value = 255 in classes.toml."
    raise DataError(f"The masks to train on have only {only}.", cure)


def label_names(recipe: Recipe) -> Sequence[str] | None:
    """The classes that the recipe names; None = the data set's own. Raises ``ConfigError``."""
    labels = recipe.data.labels
    if not isinstance(labels, str):
        return labels
    if labels and labels not in LABEL_SETS:
        raise ConfigError(f"Unknown label set {labels!r}.", nearest(labels, LABEL_SETS))
    return LABEL_SETS[labels] if labels else None


def _open(root: Path, source: TrainingSource, labels: Sequence[str] | None) -> SegmentationData:
    if source.format == UNLABELLED:
        if not labels:
            raise ConfigError(f"{source.path} has no masks to say what the classes are.", "Give data.labels.")
        return Unlabelled(root / source.path / source.split, labels)
    return open_dataset(root / source.path, source.split, labels, source.format, source.ignored)
