"""Pictures with exact masks of single objects, whatever they are: what a prompt may ask for.

| format | what |
|---|---|
| ``coco-instances`` | as ``datasets.coco_instances``; crowds are not judged |
| ``coco-panoptic`` | as ``datasets.coco_panoptic``: the things, not the stuff |
| ``object-list`` | SPLIT.tsv with columns image and mask: one object a line, 1 in masks/SPLIT/MASK, 255 not judged |
| ``voc-objects`` | single_instance.txt with lines NAME CLASS ...: the pixels of that class in masks/SPLIT/NAME.png |
| ``numbered`` | a mask folder whose pixels are the numbers of objects: 0 none, 255 not judged |
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskery.core.arrays import Mask
from maskery.core.errors import DataError, nearest
from maskery.core.labels import IGNORE
from maskery.core.result.instances import crop_mask
from maskery.datasets import coco_instances, coco_panoptic, pictures
from maskery.datasets.base import ObjectPicture
from maskery.datasets.classes import numbered
from maskery.datasets.mask_folder import pairs_of
from maskery.datasets.pictures import read_mask

SINGLE = "single_instance.txt"


@dataclass(frozen=True)
class _Drawn:
    """A picture with the whole masks (H, W) of its objects and of what is not judged."""

    path: Path
    objects: Sequence[Mask]
    ignored: Mask


def open_objects(root: Path, split: str, format: str = "auto", least_area: int = 0) -> list[ObjectPicture]:
    """The pictures of a split that have an object of more than ``least_area`` pixels, with these objects.

    Raises ``DataError`` for a folder, split or file that is missing or damaged, and where no object is left.
    """
    if format != "auto" and format not in READERS:
        raise DataError(f"There is no format of objects {format!r}.", nearest(format, READERS))
    reader = READERS[recognise(root, split) if format == "auto" else format]
    found = [_small(one, least_area) for one in reader(root, split)]
    kept = [one for one in found if one.objects]
    if not kept:
        raise DataError(
            f"{root} has no object of more than {least_area} pixels in the split {split!r}.",
            f"Check the split, or name the format: {', '.join(READERS)}.",
        )
    return kept


def recognise(root: Path, split: str) -> str:
    """The name of the format. Raises ``DataError`` where the folder has none of them."""
    if (root / f"{split}.tsv").is_file():
        return "object-list"
    if coco_instances.recognised(root):
        return "coco-instances"
    if coco_panoptic.recognised(root):
        return "coco-panoptic"
    if (root / SINGLE).is_file():
        return "voc-objects"
    if (root / "images").is_dir() and (root / "masks").is_dir():
        return "numbered"
    raise DataError(f"{root} is no data set of single objects.", f"Known formats: {', '.join(READERS)}.")


def _small(drawn: _Drawn, least_area: int) -> ObjectPicture:
    height, width = drawn.ignored.shape
    size_wh = pictures.open_picture(drawn.path, str(drawn.path)).size_wh
    if size_wh != (width, height):
        raise DataError(
            f"The masks of {drawn.path} are {width} x {height} pixels, the picture {size_wh[0]} x {size_wh[1]}.",
            "Make the masks as large as the upright picture.",
        )
    objects = (crop_mask(mask & ~drawn.ignored) for mask in drawn.objects)
    return ObjectPicture(
        drawn.path, size_wh, tuple(one for one in objects if one.area > least_area), crop_mask(drawn.ignored)
    )


def _of_instances(root: Path, split: str) -> Iterator[_Drawn]:
    data = coco_instances.CocoInstances(root, split, coco_instances.classes(root) or numbered([]))
    for i in range(len(data)):
        yield _Drawn(data.image_path(i), *data.objects(i))


def _of_panoptic(root: Path, split: str) -> Iterator[_Drawn]:
    data = coco_panoptic.CocoPanoptic(root, split, coco_panoptic.classes(root) or numbered([]))
    for i in range(len(data)):
        yield _Drawn(data.image_path(i), *data.things(i))


def _of_list(root: Path, split: str) -> Iterator[_Drawn]:
    """Each line is a picture of its own, for each mask says itself what is not judged."""
    path = root / f"{split}.tsv"
    try:
        lines = list(csv.DictReader(path.read_text("utf-8").splitlines(), delimiter="\t"))
        names = [(line["image"], line["mask"]) for line in lines]
    except (OSError, KeyError) as error:
        raise DataError(f"{path} is no list of objects: {error}.", "Its columns are image and mask.") from error
    for image, name in names:
        mask = np.asarray(read_mask(root / "masks" / split / name))
        yield _Drawn(root / "images" / split / image, [mask == 1], mask == IGNORE)


def _of_single(root: Path, split: str) -> Iterator[_Drawn]:
    """Pictures of other splits are left out."""
    for line in (root / SINGLE).read_text("utf-8").splitlines():
        name, label, *_ = line.split()
        picture = root / "images" / split / f"{name}.jpg"
        if picture.is_file():
            mask = np.asarray(read_mask(root / "masks" / split / f"{name}.png"))
            yield _Drawn(picture, [mask == int(label)], mask == IGNORE)


def _of_numbers(root: Path, split: str) -> Iterator[_Drawn]:
    for pair in pairs_of(root, split):
        mask = np.asarray(read_mask(pair.mask))
        numbers = [int(number) for number in np.unique(mask) if number not in (0, IGNORE)]
        yield _Drawn(pair.image, [mask == number for number in numbers], mask == IGNORE)


READERS: dict[str, Callable[[Path, str], Iterator[_Drawn]]] = {
    "coco-instances": _of_instances,
    "coco-panoptic": _of_panoptic,
    "object-list": _of_list,
    "voc-objects": _of_single,
    "numbered": _of_numbers,
}
