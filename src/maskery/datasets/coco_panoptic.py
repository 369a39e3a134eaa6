"""Format ``coco-panoptic`` (cocodataset.org): images/SPLIT/*.jpg, panoptic/SPLIT/*.png, panoptic_SPLIT.json.

A pixel of the PNG holds the segment id as R + 256 G + 65536 B. A crowd and what is in no segment are ``IGNORE``.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Mask
from maskery.core.errors import DataError
from maskery.core.labels import IGNORE
from maskery.datasets.base import Gap, ImageFiles
from maskery.datasets.classes import Classes, numbered
from maskery.datasets.coco_json import (
    Categories,
    Panoptic,
    Panorama,
    class_ids,
    class_names,
    missing,
    picture_path,
    read_json,
)
from maskery.datasets.pictures import files_in, read_mask

FORM = "images/SPLIT/*.jpg, panoptic/SPLIT/*.png and panoptic_SPLIT.json"


class CocoPanoptic(ImageFiles):
    """Raises ``DataError`` for a damaged JSON file; missing pictures and masks are among ``gaps``."""

    def __init__(self, root: Path, split: str, classes: Classes) -> None:
        index_path = root / f"panoptic_{split}.json"
        index = read_json(index_path, Panoptic, splits(root))
        self._class_of = class_ids(index.categories, classes.names, index_path)
        self._things = {category.id for category in index.categories if category.isthing}
        names = {picture.id: picture.file_name for picture in index.images}
        self._found, images, gaps = list[tuple[Path, Panorama]](), list[Path](), list[Gap]()
        for annotation in index.annotations:
            if annotation.image_id not in names:
                raise DataError(f"{index_path} has no picture {annotation.image_id}.", "Fetch the file again.")
            image = picture_path([root / "images" / split], names[annotation.image_id], index_path)
            mask = picture_path([root / "panoptic" / split], annotation.file_name, index_path)
            lacking = [missing(path, index_path) for path in (image, mask) if not path.is_file()]
            if not lacking:
                images.append(image)
                self._found.append((mask, annotation))
            gaps += lacking
        super().__init__(classes.names, images, gaps)

    def _read_mask(self, index: int) -> NDArray[np.uint8]:
        path, annotation = self._found[index]
        segment = _segments(path)
        mask = np.full(segment.shape, IGNORE, dtype=np.uint8)
        for info in annotation.segments_info:
            if info.category_id not in self._class_of:
                raise DataError(f"{path}: category {info.category_id} is not in the JSON file.", "Fetch it again.")
            if not info.iscrowd:
                mask[segment == info.id] = self._class_of[info.category_id]
        return mask

    def things(self, index: int) -> tuple[list[Mask], Mask]:
        """The whole masks (H, W) of the things of picture ``index``, and what its crowds cover."""
        path, annotation = self._found[index]
        segment = _segments(path)
        things = [info for info in annotation.segments_info if info.category_id in self._things]
        crowds = np.isin(segment, [info.id for info in things if info.iscrowd])
        return [segment == info.id for info in things if not info.iscrowd], crowds

    def labelled_objects(self, index: int) -> Iterator[tuple[int, Mask, bool]]:
        """Of each thing of picture ``index`` its class, its whole mask (H, W), and whether it is a crowd."""
        path, annotation = self._found[index]
        segment = _segments(path)
        for info in annotation.segments_info:
            if info.category_id in self._things:
                yield self._class_of[info.category_id], segment == info.id, bool(info.iscrowd)

    def unsegmented(self, index: int) -> Mask:
        """(H, W): what is in no segment, so that nobody knows what is there."""
        nothing: Mask = _segments(self._found[index][0]) == 0
        return nothing

    @property
    def thing_names(self) -> tuple[str, ...]:
        """Names of the classes that can be counted."""
        of_things = {self._class_of[category] for category in self._things}
        return tuple(name for i, name in enumerate(self.labels) if i in of_things)


def _segments(path: Path) -> NDArray[np.uint32]:
    """(H, W): the segment ids in a PNG file. Raises ``DataError``."""
    stored = read_mask(path)
    if stored.mode != "RGB":
        raise DataError(f"{path} has mode {stored.mode}; segment ids need RGB.", "Fetch it again.")
    rgb = np.asarray(stored).astype(np.uint32)
    return np.asarray(rgb[..., 0] | rgb[..., 1] << 8 | rgb[..., 2] << 16, np.uint32)


def recognised(root: Path) -> bool:
    return bool(splits(root))


def splits(root: Path) -> list[str]:
    found = files_in(root, (".json",))
    return [path.stem.removeprefix("panoptic_") for path in found if path.stem.startswith("panoptic_")]


def classes(root: Path) -> Classes | None:
    found = splits(root)
    if not found:
        return None
    index = read_json(root / f"panoptic_{found[0]}.json", Categories, found)
    return numbered(class_names(index.categories, False))
