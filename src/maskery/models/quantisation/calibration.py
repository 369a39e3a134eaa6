"""The pictures that a model is calibrated and timed on, as the pipeline makes tensors of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from maskery.core.arrays import Tensor
from maskery.core.card import ModelCard
from maskery.core.errors import DataError
from maskery.core.picture import decode
from maskery.core.plan import RunOptions
from maskery.core.result.capabilities import HasScores
from maskery.datasets.pictures import IMAGE_SUFFIXES, files_in
from maskery.evaluation.dataset import open_folders, open_masks
from maskery.evaluation.measurement import EvaluationOptions
from maskery.inference.pipeline import Model
from maskery.inference.tasks.registry import task_of
from maskery.models.quantisation.quantise_request import AT_LEAST

NO_LIMIT = 1 << 40


@dataclass(frozen=True)
class CalibrationPictures:
    """``read(i)`` for each of ``indices`` is a picture: its path or its bytes. ``data``, ``split``: what the data set
    is called; a plain folder has no split.
    """

    read: Callable[[int], Path | bytes]
    indices: Sequence[int]
    data: str
    split: str

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def where(self) -> str:
        """In words: "voc2012-part train"."""
        return f"{self.data} {self.split}".strip()

    def tensors(self, model: Model) -> Iterator[Tensor]:
        """One at a time, made by ``model``'s own pipeline: decoded, fitted and normalised as when it serves.

        Raises ``PictureError``, ``TooLarge``, ``DataError``.
        """
        for index in self.indices:
            source = self.read(index)
            picture = decode.open_picture(source, max_bytes=NO_LIMIT, max_pixels=NO_LIMIT)
            yield model.prepare(model.plan(picture, RunOptions(tile=0)), picture).tensor


def choose(
    root: Path, split: str, card: ModelCard, format: str, count: int, at_least: int = AT_LEAST
) -> CalibrationPictures:
    """``count`` pictures, or all where there are fewer, spread evenly over the split of a data set of the model's task,
    or over a folder that has pictures in it: neither masks nor classes are looked at.

    Raises ``DataError`` for a data set that cannot be opened and for fewer than ``at_least`` pictures.
    """
    read, total, split = _opened(root, split, card, format)
    if total < at_least:
        raise DataError(
            f"{' '.join(part for part in (str(root), split) if part)} has {total} pictures; fewer than {at_least} say "
            "too little.",
            "Give more: a hundred of those that the model is to see are usual.",
        )
    count = min(max(count, at_least), total)
    return CalibrationPictures(read, [i * total // count for i in range(count)], root.resolve().name, split)


def _opened(root: Path, split: str, card: ModelCard, format: str) -> tuple[Callable[[int], Path | bytes], int, str]:
    """The picture of each index, how many there are, and the split, if there is one."""
    plain = files_in(root, IMAGE_SUFFIXES)
    if plain:
        return plain.__getitem__, len(plain), ""
    if task_of(card).gives(HasScores):
        classes = open_folders(card, root, split, EvaluationOptions(format=format)).data
        return classes.content, len(classes), split
    masks = open_masks(card, root, split, EvaluationOptions(format=format)).data
    return masks.image_path, len(masks), split
