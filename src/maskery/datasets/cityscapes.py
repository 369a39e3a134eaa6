"""Format ``cityscapes`` (cityscapes-dataset.com): leftImg8bit/SPLIT/CITY and gtFine/SPLIT/CITY.

``*_labelIds.png`` (34 ids) become the 19 classes of training and evaluation, all other ids are ignored;
``*_labelTrainIds.png`` have these classes already, and are taken where they lie beside.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskery.core.errors import DataError, nearest
from maskery.core.labels import CITYSCAPES, IGNORE, PALETTES
from maskery.datasets.base import Gap, ImageFiles
from maskery.datasets.classes import Classes, numbered
from maskery.datasets.decoding import Decoder
from maskery.datasets.pictures import files_in, folders_in

FORM = "leftImg8bit/SPLIT/CITY/*_leftImg8bit.png with gtFine/SPLIT/CITY/*_gtFine_labelIds.png"
LABEL_IDS = 34
IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)  # of the 19 classes, in their order


class Cityscapes(ImageFiles):
    """Raises ``DataError`` for an unknown split; a picture without mask is among ``gaps``."""

    def __init__(self, root: Path, split: str, classes: Classes) -> None:
        if split not in splits(root):
            raise DataError(f"{root / 'leftImg8bit'} has no split {split!r}.", nearest(split, splits(root)))
        images, gaps, self.masks = list[Path](), list[Gap](), list[Path]()
        for image in _pictures(root / "leftImg8bit" / split):
            mask = _mask(root, split, image)
            if mask.is_file():
                images.append(image)
                self.masks.append(mask)
            else:
                gaps.append(Gap(image, f"{image} has no mask.", f"Add {mask} or remove the picture."))
        if not images and not gaps:
            raise DataError(f"{root / 'leftImg8bit' / split} has no pictures.", f"Expected {FORM}.")
        super().__init__(classes.names, images, gaps)
        ignored = (*(i for i in range(LABEL_IDS) if i not in IDS), IGNORE)  # 255 is how 8 bits store -1
        self._by_label_id = Decoder(Classes(names=classes.names, values=IDS, ignored=ignored))
        self._by_train_id = Decoder(classes)

    def _read_mask(self, index: int) -> NDArray[np.uint8]:
        path = self.masks[index]
        return (self._by_train_id if "TrainIds" in path.name else self._by_label_id).read(path)


def recognised(root: Path) -> bool:
    return (root / "leftImg8bit").is_dir() and (root / "gtFine").is_dir()


def splits(root: Path) -> list[str]:
    return [path.name for path in folders_in(root / "leftImg8bit")]


def classes(root: Path) -> Classes:
    return numbered(CITYSCAPES, PALETTES["cityscapes"])


def _pictures(folder: Path) -> list[Path]:
    found = (path for city in folders_in(folder) for path in files_in(city, (".png",)))
    return [path for path in found if path.stem.endswith("_leftImg8bit")]


def _mask(root: Path, split: str, image: Path) -> Path:
    start = root / "gtFine" / split / image.parent.name / image.name.removesuffix("_leftImg8bit.png")
    paths = [start.with_name(f"{start.name}_gtFine_label{kind}.png") for kind in ("TrainIds", "Ids")]
    return paths[0] if paths[0].is_file() else paths[1]
