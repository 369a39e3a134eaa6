"""Pictures with the class and the exact mask of every object: what models of objects are measured on.

| format | what |
|---|---|
| ``coco-instances`` | as ``datasets.coco_instances`` |
| ``coco-panoptic`` | as ``datasets.coco_panoptic``: the things; what is in no segment is not judged |
| ``voc`` | as ``datasets.voc``, with SegmentationObject/NAME.png: numbers of objects, 255 not judged |
| ``numbered`` | a mask folder whose pixels are numbers of objects: 0 none, 255 not judged; all are of one class |
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskery.core.arrays import Mask
from maskery.core.errors import DataError, nearest
from maskery.core.labels import IGNORE
from maskery.core.result.instances import CropMask, crop_mask
from maskery.datasets import coco_instances, coco_panoptic, mask_folder, pictures, voc
from maskery.datasets.classes import numbered
from maskery.datasets.mask_folder import pairs_of

OBJECT_MASKS = "SegmentationObject"
BACKGROUND = "background"


@dataclass(frozen=True, eq=False)
class TrueObject:
    """``label``: its class's name. A ``crowd`` is a group of objects of which none is for itself."""

    label: str
    mask: CropMask
    crowd: bool = False


@dataclass(frozen=True, eq=False)
class ObjectTruth:
    """All objects of a picture. ``ignored``: pixels that are not judged."""

    size_wh: tuple[int, int]
    objects: tuple[TrueObject, ...]
    ignored: CropMask


@dataclass(frozen=True)
class ObjectTruths:
    """One split. ``format``: its name; ``labels``: its classes; ``paths``: its pictures; ``read``: the truth of one."""

    format: str
    labels: tuple[str, ...]
    paths: Sequence[Path]
    read: Callable[[int], ObjectTruth]

    def truth(self, index: int) -> ObjectTruth:
        """Raises ``DataError``, also where picture and masks differ in size."""
        found, path = self.read(index), self.paths[index]
        size_wh = pictures.open_picture(path, str(path)).size_wh
        if found.size_wh != size_wh:
            raise DataError(
                f"The masks of {path} are {found.size_wh[0]} x {found.size_wh[1]} pixels, the picture {size_wh[0]} x "
                f"{size_wh[1]}.",
                "Make the masks as large as the upright picture.",
            )
        return found


def open_truths(root: Path, split: str, format: str = "auto", labels: Sequence[str] | None = None) -> ObjectTruths:
    """``labels``: of ``numbered`` the one class. Raises ``DataError`` for what is missing, damaged or without objects.

    Crowds are kept; an object without a pixel is none.
    """
    if format != "auto" and format not in READERS:
        raise DataError(f"There is no format of objects {format!r}.", nearest(format, READERS))
    name = recognise_truths(root) if format == "auto" else format
    if labels and name != "numbered":
        raise DataError(f"{root} names its classes itself.", "Leave --labels out; use --map.")
    found = READERS[name](root, split, labels)
    if not found.paths:
        raise DataError(f"The split {split!r} of {root} has no pictures.", "Name another split.")
    return found


def recognise_truths(root: Path) -> str:
    """The name of the format. Raises ``DataError`` where the folder has none of them."""
    if coco_instances.recognised(root):
        return "coco-instances"
    if coco_panoptic.recognised(root):
        return "coco-panoptic"
    if voc.recognised(root) and (root / OBJECT_MASKS).is_dir():
        return "voc"
    if mask_folder.recognised(root):
        return "numbered"
    raise DataError(f"{root} is no data set of single objects.", f"Known formats: {', '.join(READERS)}.")


def _truth(objects: Sequence[tuple[str, Mask, bool]], ignored: Mask) -> ObjectTruth:
    height, width = ignored.shape
    packed = (TrueObject(label, crop_mask(mask), crowd) for label, mask, crowd in objects)
    return ObjectTruth((width, height), tuple(one for one in packed if one.mask.area), crop_mask(ignored))


def _instances(root: Path, split: str, labels: Sequence[str] | None) -> ObjectTruths:
    data = coco_instances.CocoInstances(root, split, coco_instances.classes(root) or numbered([]))

    def read(index: int) -> ObjectTruth:
        found = [(data.labels[label], mask, crowd) for label, mask, crowd in data.labelled_objects(index)]
        width, height = data.size_wh(index)
        return _truth(found, np.zeros((height, width), np.bool_))

    names = tuple(name for name in data.labels if name != BACKGROUND)
    return ObjectTruths("coco-instances", names, data.images, read)


def _panoptic(root: Path, split: str, labels: Sequence[str] | None) -> ObjectTruths:
    data = coco_panoptic.CocoPanoptic(root, split, coco_panoptic.classes(root) or numbered([]))

    def read(index: int) -> ObjectTruth:
        found = [(data.labels[label], mask, crowd) for label, mask, crowd in data.labelled_objects(index)]
        return _truth(found, data.unsegmented(index))

    return ObjectTruths("coco-panoptic", data.thing_names, data.images, read)


def _voc(root: Path, split: str, labels: Sequence[str] | None) -> ObjectTruths:
    classes = voc.classes(root)
    data = voc.PascalVoc(root, split, classes)

    def read(index: int) -> ObjectTruth:
        path = root / OBJECT_MASKS / f"{data.name(index)}.png"
        numbers, ids = np.asarray(pictures.read_mask(path)), data.mask(index)
        if numbers.shape != ids.shape:
            raise DataError(f"{path} has another size than the class mask.", "Fetch it again.")
        found = []
        for number in np.unique(numbers):
            mask = numbers == number
            inside = ids[mask & (ids != IGNORE)]
            if number not in (0, IGNORE) and len(inside):
                found.append((classes.names[int(np.bincount(inside).argmax())], mask, False))
        return _truth([one for one in found if one[0] != BACKGROUND], numbers == IGNORE)

    return ObjectTruths("voc", classes.names[1:], data.images, read)


def _numbered(root: Path, split: str, labels: Sequence[str] | None) -> ObjectTruths:
    if labels is None or len(labels) != 1:
        raise DataError(
            f"The masks of {root} are numbers of objects and do not say of which class.",
            "Name the one class: --labels person, (with its comma).",
        )
    pairs, label = list(pairs_of(root, split)), labels[0]

    def read(index: int) -> ObjectTruth:
        mask = np.asarray(pictures.read_mask(pairs[index].mask))
        numbers = [int(number) for number in np.unique(mask) if number not in (0, IGNORE)]
        return _truth([(label, mask == number, False) for number in numbers], mask == IGNORE)

    return ObjectTruths("numbered", (label,), [pair.image for pair in pairs], read)


READERS: dict[str, Callable[[Path, str, Sequence[str] | None], ObjectTruths]] = {
    "coco-instances": _instances,
    "coco-panoptic": _panoptic,
    "voc": _voc,
    "numbered": _numbered,
}
