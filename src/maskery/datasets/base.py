"""What every segmentation data set offers, and the opening of one by its format's name."""

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskery.core.errors import DataError, nearest
from maskery.core.labels import IGNORE, same_name
from maskery.core.result.instances import CropMask
from maskery.datasets import pictures

T = TypeVar("T")


class SegmentationData(Protocol):
    """Pictures with class masks. ``labels[i]`` is the name of mask value ``i``; ``IGNORE`` (255) has no class."""

    @property
    def labels(self) -> Sequence[str]: ...

    def __len__(self) -> int: ...

    def name(self, index: int) -> str: ...

    def image_path(self, index: int) -> Path: ...

    def mask(self, index: int) -> NDArray[np.uint8]:
        """The class ids of picture ``index``, (H, W) uint8. Raises ``DataError`` when missing or damaged."""
        ...


@dataclass(frozen=True, eq=False)
class ObjectPicture:
    """A picture and its objects, those at least as large as was asked for. ``ignored``: pixels that are not judged."""

    path: Path
    size_wh: tuple[int, int]
    objects: tuple[CropMask, ...]
    ignored: CropMask


@dataclass(frozen=True)
class Pair:
    """A picture and its mask."""

    image: Path
    mask: Path


@dataclass(frozen=True)
class Gap:
    """A file without partner. ``fatal``: the set cannot be used; else it merely lies there."""

    path: Path
    message: str
    cure: str
    fatal: bool = True


class ImageFiles:
    """The part of ``SegmentationData`` that is the same for every set of one file a picture.

    ``gaps``: what is missing; those pictures are not among ``images``.
    """

    def __init__(self, labels: Sequence[str], images: Sequence[Path], gaps: Sequence[Gap] = ()) -> None:
        self.labels, self.images, self.gaps = tuple(labels), images, tuple(gaps)
        self._fitting = set[int]()

    def __len__(self) -> int:
        return len(self.images)

    def name(self, index: int) -> str:
        """The file's name without suffix."""
        return self.images[index].stem

    def image_path(self, index: int) -> Path:
        return self.images[index]

    def mask(self, index: int) -> NDArray[np.uint8]:
        """The class ids of picture ``index``, (H, W) uint8. Raises ``DataError``; also where the sizes differ."""
        mask = self._read_mask(index)
        if index not in self._fitting:  # looked at once, for masks are read again in every epoch
            path = self.images[index]
            size_wh = pictures.open_picture(path, str(path)).size_wh
            if size_wh != mask.shape[::-1]:
                raise DataError(
                    f"The mask of {path} is {mask.shape[1]} x {mask.shape[0]} pixels, its picture {size_wh[0]} x "
                    f"{size_wh[1]}.",
                    "Make the mask as large as the upright picture.",
                )
            self._fitting.add(index)
        return mask

    def _read_mask(self, index: int) -> NDArray[np.uint8]:
        raise NotImplementedError


class Relabelled:
    """A data set with its classes matched by name to ``labels``.

    What has no namesake becomes ``background``, ``IGNORE`` where ``labels`` have no background and for the classes
    ``ignored``. Raises ``DataError`` where no name is common, and for a class in ``ignored`` that ``data`` lacks.
    """

    def __init__(
        self, data: SegmentationData, labels: Sequence[str], called: Path, ignored: Sequence[str] = ()
    ) -> None:
        self.data, self.labels = data, tuple(labels)
        ids = {same_name(label): i for i, label in reversed(list(enumerate(labels)))}
        if not any(same_name(label) in ids for label in data.labels):
            raise DataError(
                f"{called} and the labels have no class name in common: {', '.join(data.labels[:4])} ... on one side, "
                f"{', '.join(labels[:4])} ... on the other.",
                "Check the labels.",
            )
        rest = ids.get("background", IGNORE)
        self._table = np.full(256, IGNORE, np.uint8)
        self._table[: len(data.labels)] = [ids.get(same_name(label), rest) for label in data.labels]
        for name in ignored:
            if name not in data.labels:
                raise DataError(f"{called} has no class {name!r} to ignore.", nearest(name, data.labels))
            self._table[list(data.labels).index(name)] = IGNORE

    def __len__(self) -> int:
        return len(self.data)

    def name(self, index: int) -> str:
        return self.data.name(index)

    def image_path(self, index: int) -> Path:
        return self.data.image_path(index)

    def mask(self, index: int) -> NDArray[np.uint8]:
        return np.take(self._table, self.data.mask(index))


@dataclass(frozen=True)
class Concatenated:
    """Several data sets with the same labels, one after another."""

    parts: Sequence[SegmentationData]

    @property
    def labels(self) -> Sequence[str]:
        return self.parts[0].labels

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    def locate(self, index: int) -> tuple[int, int]:
        """The part that picture ``index`` is of, and its number there."""
        for part, data in enumerate(self.parts):
            if index < len(data):
                return part, index
            index -= len(data)
        raise IndexError(index)

    def name(self, index: int) -> str:
        part, i = self.locate(index)
        return self.parts[part].name(i)

    def image_path(self, index: int) -> Path:
        part, i = self.locate(index)
        return self.parts[part].image_path(i)

    def mask(self, index: int) -> NDArray[np.uint8]:
        part, i = self.locate(index)
        return self.parts[part].mask(i)


def refuse_empty(data: Sized, root: Path, split: str) -> None:
    """Raises ``DataError`` where a split has no pictures, so that nothing could be learnt or measured."""
    if not len(data):
        raise DataError(
            f"The split {split!r} of {root} has no pictures.",
            "Add some, or name another split; without split folders every fifth picture is val, and all are all.",
        )


def read_rgb(path: Path) -> Image.Image:
    """A training picture as upright RGB. Raises ``DataError`` naming the file."""
    return pictures.rgb(pictures.open_picture(path, str(path)), str(path))


def every_fifth(items: Sequence[T], split: str, root: Path) -> list[T]:
    """The splits of a set without split folders: ``all``, ``val`` (every fifth by name) and ``train`` (the others).

    Raises ``DataError`` for another split.
    """
    if split == "all":
        return list(items)
    if split not in ("train", "val"):
        raise DataError(f"{root} has no folder for the split {split!r}.", nearest(split, ("train", "val", "all")))
    return [item for i, item in enumerate(items) if (i % 5 == 4) == (split == "val")]
