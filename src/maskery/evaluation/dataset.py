"""The data set of a measurement, opened for a model."""

from dataclasses import dataclass
from pathlib import Path

from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest, DataError
from maskery.datasets.base import SegmentationData, refuse_empty
from maskery.datasets.class_folder import ClassFolder
from maskery.datasets.formats import CLASS_FOLDER, DataDescription, describe, open_dataset
from maskery.evaluation.matching import ClassMatching, pair, pair_folders, same_classes
from maskery.evaluation.measurement import EvaluationOptions


@dataclass(frozen=True)
class MaskDataset:
    """Pictures with masks, the form they lie in, and how their classes are the model's."""

    data: SegmentationData
    format: str
    matching: ClassMatching


@dataclass(frozen=True)
class FolderDataset:
    """Pictures in class folders, and how their classes are the model's."""

    data: ClassFolder
    matching: ClassMatching


def open_masks(card: ModelCard, root: Path, split: str, options: EvaluationOptions) -> MaskDataset:
    """Masks in the ids of the names that the data set or ``options.labels`` gives; without names in those of the model.

    Raises ``DataError`` as ``open_dataset`` and ``pair`` do and for pictures without masks, ``BadRequest`` for names
    that the data set has itself, and for overrides where there are none.
    """
    known = describe(root, options.format)
    if known.format == CLASS_FOLDER:
        raise DataError(
            f"{root} has pictures in class folders, without masks; {card.name} is a {card.task} model.",
            "Measure it on a data set with masks.",
        )
    labels = _names(root, known, options)
    matching = same_classes(card.labels) if labels is None else pair(labels, card.labels, options.overrides)
    return MaskDataset(open_dataset(root, split, labels or card.labels, known.format), known.format, matching)


def open_folders(card: ModelCard, root: Path, split: str, options: EvaluationOptions) -> FolderDataset:
    """Class folders for a classifier. Raises ``DataError`` as ``ClassFolder`` and ``pair_folders`` do."""
    known = describe(root, options.format)
    if known.format != CLASS_FOLDER:
        raise DataError(
            f"{root} has masks ({known.format}), {card.name} is a classifier: it says one class a picture.",
            "Measure it on class folders: SPLIT/CLASS/NAME.jpg.",
        )
    data = ClassFolder(root, split)
    refuse_empty(data, root, split)
    return FolderDataset(data, pair_folders(data.labels, card.labels, options.overrides))


def _names(root: Path, known: DataDescription, options: EvaluationOptions) -> tuple[str, ...] | None:
    if known.labels and options.labels and options.labels != known.labels:
        raise BadRequest(
            f"{root} names its classes itself: {', '.join(known.labels[:4])} ...", "Leave --labels out; use --map."
        )
    labels = known.labels or options.labels
    if labels is None and options.overrides:
        raise BadRequest(f"{root} does not say the names of its classes.", "Give them too: --labels FILE, or voc.")
    return labels
