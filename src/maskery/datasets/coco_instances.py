"""Format ``coco-instances`` (cocodataset.org): instances_SPLIT.json with polygons and run lengths, and the pictures.

The JSON file lies in annotations/ or in the root, the pictures in SPLIT/ or images/SPLIT/. Labelling tools' exports are
read as they come: SPLIT/_annotations.coco.json among its pictures (Roboflow), result.json and images/ (Label Studio),
labels.json and data/ (FiftyOne), annotations.json and JPEGImages/ (labelme2coco), of a split or of the whole set. Where
instances overlap, the smallest is on top; crowds are ``IGNORE``; what is in no instance is ``background``, class 0.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Mask
from maskery.core.errors import DataError
from maskery.core.labels import IGNORE
from maskery.datasets.base import Gap, ImageFiles, every_fifth
from maskery.datasets.classes import Classes, numbered
from maskery.datasets.coco_json import (
    Categories,
    CocoObject,
    CocoPicture,
    CocoRle,
    Instances,
    class_ids,
    class_names,
    is_coco,
    missing,
    picture_path,
    read_json,
)
from maskery.datasets.pictures import MAX_PIXELS, files_in, folders_in
from maskery.datasets.shapes import decompressed, polygons_mask, runs_mask

PREFIX = "instances_"
EXPORTS = ("_annotations.coco.json", "result.json", "labels.json", "annotations.json", "coco.json", "dataset.json")
FORM = "annotations/instances_SPLIT.json (or beside) with SPLIT/*.jpg or images/SPLIT/*.jpg"


class CocoInstances(ImageFiles):
    """Raises ``DataError`` for a damaged JSON file; missing pictures are among ``gaps``."""

    def __init__(self, root: Path, split: str, classes: Classes) -> None:
        indexes = _indexes(root)
        self._index_path = indexes.get("") or indexes.get(split) or root / f"instances_{split}.json"
        index = read_json(self._index_path, Instances, splits(root))
        self._class_of = class_ids(index.categories, classes.names, self._index_path)
        folders = _picture_folders(root, split, self._index_path)
        entries = index.images
        if "" in indexes:
            entries = every_fifth(sorted(entries, key=lambda entry: entry.file_name), split, root)
        self._pictures, images, gaps = list[CocoPicture](), list[Path](), list[Gap]()
        for picture in entries:
            path = picture_path(folders, picture.file_name, self._index_path)
            if path.is_file():
                images.append(path)
                self._pictures.append(picture)
            else:
                gaps.append(missing(path, self._index_path))
        self._instances: dict[int, list[CocoObject]] = {}
        for instance in index.annotations:
            self._instances.setdefault(instance.image_id, []).append(instance)
        super().__init__(classes.names, images, gaps)

    def _read_mask(self, index: int) -> NDArray[np.uint8]:
        picture = self._pictures[index]
        if picture.width < 1 or picture.height < 1 or picture.width * picture.height > MAX_PIXELS:
            raise DataError(
                f"{self._index_path}: picture {picture.file_name} is {picture.width} x {picture.height} pixels.",
                "Correct its width and height.",
            )
        found = [(self._drawn(each, picture), each) for each in self._instances.get(picture.id, ())]
        found.sort(key=lambda drawn: (not drawn[1].iscrowd, -int(drawn[0].sum())))
        mask = np.zeros((picture.height, picture.width), np.uint8)
        for pixels, instance in found:
            mask[pixels] = IGNORE if instance.iscrowd else self._class_of[instance.category_id]
        return mask

    def objects(self, index: int) -> tuple[list[Mask], Mask]:
        """The whole masks (H, W) of the objects of picture ``index``, and what its crowds cover."""
        picture = self._pictures[index]
        crowds = np.zeros((picture.height, picture.width), np.bool_)
        masks = []
        for _, drawn, crowd in self.labelled_objects(index):
            if crowd:
                crowds |= drawn
            else:
                masks.append(drawn)
        return masks, crowds

    def size_wh(self, index: int) -> tuple[int, int]:
        """Of picture ``index``, as the file says it."""
        return self._pictures[index].width, self._pictures[index].height

    def labelled_objects(self, index: int) -> Iterator[tuple[int, Mask, bool]]:
        """Of each object of picture ``index`` its class, its whole mask (H, W), and whether it is a crowd."""
        picture = self._pictures[index]
        for instance in self._instances.get(picture.id, ()):
            drawn = self._drawn(instance, picture)
            yield self._class_of[instance.category_id], drawn, bool(instance.iscrowd)

    def _drawn(self, instance: CocoObject, picture: CocoPicture) -> Mask:
        size_wh = (picture.width, picture.height)
        try:
            if instance.category_id not in self._class_of:
                raise DataError(f"its category {instance.category_id} is not listed", "Add it to the categories.")
            shape = msgspec.json.decode(instance.segmentation, type=list[list[float]] | CocoRle | None)
            if shape is None:
                raise DataError("it has no segmentation", "Export masks, not only boxes.")
            if isinstance(shape, list):
                return polygons_mask(shape, size_wh)
            if shape.size != size_wh[::-1]:
                raise DataError(f"its size is {list(shape.size)}, the picture's {list(size_wh[::-1])}", "Correct it.")
            counts = decompressed(shape.counts) if isinstance(shape.counts, str) else shape.counts
            return runs_mask(counts, size_wh)
        except msgspec.DecodeError as error:
            raise self._wrong(instance, str(error), "Give polygons or run lengths.") from error
        except DataError as error:
            raise self._wrong(instance, error.message, error.cure) from error

    def _wrong(self, instance: CocoObject, message: str, cure: str) -> DataError:
        return DataError(f"{self._index_path}: annotation {instance.id}: {message}.", cure)


def recognised(root: Path) -> bool:
    return bool(splits(root))


def splits(root: Path) -> list[str]:
    """Those that have a file; ``train`` and ``val`` where one file has all: every fifth picture by name is val."""
    found = _indexes(root)
    return ["train", "val"] if "" in found else sorted(found)


def classes(root: Path) -> Classes | None:
    found = _indexes(root)
    if not found:
        return None
    index = read_json(found[min(found)], Categories, list(found))
    return numbered(class_names(index.categories, True))


def _indexes(root: Path) -> dict[str, Path]:
    """Split -> its JSON file; the split "" where one file has all pictures."""
    published = [*files_in(root, (".json",)), *files_in(root / "annotations", (".json",))]
    named = {p.stem.removeprefix(PREFIX): p for p in published if p.stem.startswith(PREFIX)}
    if named:
        return named
    below = {folder.name: path for folder in folders_in(root) if (path := _export(folder))}
    if below and set(below) != {"annotations"}:
        return below
    whole = _export(root) or _export(root / "annotations")
    return {"": whole} if whole else {}


def _export(folder: Path) -> Path | None:
    return next((folder / name for name in EXPORTS if is_coco(folder / name)), None)


def _picture_folders(root: Path, split: str, index: Path) -> list[Path]:
    if index.stem.startswith(PREFIX):
        return [next((f for f in (root / "images" / split, root / split) if f.is_dir()), root / "images")]
    return [folder / name for folder in (index.parent, root) for name in ("", "images", "data", "JPEGImages")]
