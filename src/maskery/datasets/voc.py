"""Format ``voc`` (host.robots.ox.ac.uk): JPEGImages, SegmentationClass, ImageSets/Segmentation/SPLIT.txt.

Borders of objects (value 255, in coloured copies of the masks [224, 224, 192]) are ignored.
"""

from pathlib import Path

from maskery.core.errors import DataError, nearest
from maskery.core.labels import VOC, voc_palette
from maskery.datasets.base import Gap, Pair
from maskery.datasets.classes import Classes
from maskery.datasets.decoding import MaskFiles

FORM = "JPEGImages/*.jpg, SegmentationClass/*.png and ImageSets/Segmentation/SPLIT.txt"
MASK_FOLDERS = ("SegmentationClass", "SegmentationClassAug")  # the second is SBD's, as it is usually added


class PascalVoc(MaskFiles):
    """Raises ``DataError`` for an unknown split; what has no partner is among ``gaps``."""

    def __init__(self, root: Path, split: str, classes: Classes) -> None:
        pairs, gaps = list[Pair](), list[Gap]()
        listed = _list_file(root, split)
        for name in _names(listed):
            image, mask = root / "JPEGImages" / f"{name}.jpg", _mask(root, name)
            missing = image if not image.is_file() else mask if not mask.is_file() else None
            if missing:
                gaps.append(Gap(missing, f"{missing}, named in {listed}, is missing.", f"Add it or remove {name}."))
            else:
                pairs.append(Pair(image, mask))
        super().__init__(pairs, gaps, classes)


def recognised(root: Path) -> bool:
    return (root / "JPEGImages").is_dir() and bool(splits(root))


def splits(root: Path) -> list[str]:
    return sorted(path.stem for path in (root / "ImageSets" / "Segmentation").glob("*.txt"))


def classes(root: Path) -> Classes:
    colours = tuple(voc_palette(len(VOC)))
    return Classes(names=VOC, values=tuple(range(len(VOC))), colours=colours, ignored_colours=((224, 224, 192),))


def _mask(root: Path, name: str) -> Path:
    paths = [root / folder / f"{name}.png" for folder in MASK_FOLDERS]
    return next((path for path in paths if path.is_file()), paths[0])


def _list_file(root: Path, split: str) -> Path:
    path = root / "ImageSets" / "Segmentation" / f"{split}.txt"
    if split not in splits(root):
        raise DataError(f"{path} is not there.", nearest(split, splits(root)) or f"Expected {FORM}.")
    return path


def _names(path: Path) -> list[str]:
    """The first word of every line."""
    try:
        names = [line.split()[0] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.", "It holds a picture's name a line.") from error
    if not names:
        raise DataError(f"{path} is empty.", "It holds a picture's name a line.")
    return names
