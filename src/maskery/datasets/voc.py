"""Format ``voc`` (host.robots.ox.ac.uk): JPEGImages, SegmentationClass, ImageSets/Segmentation/SPLIT.txt.

Borders of objects (value 255, in coloured copies of the masks [224, 224, 192]) are ignored.
"""

from pathlib import Path

from maskery.core.errors import DataError, nearest
from maskery.core.labels import VOC, voc_palette
from maskery.datasets.base import Gap, Pair
from maskery.datasets.classes import Classes
from maskery.datasets.decoding import MaskFiles
from maskery.datasets.pictures import IMAGE_SUFFIXES, files_in, present

FORM = "JPEGImages/*.jpg, SegmentationClass/*.png and ImageSets/Segmentation/SPLIT.txt"
MASK_FOLDERS = ("SegmentationClass", "SegmentationClassAug")  # the second is SBD's, as it is usually added


class PascalVoc(MaskFiles):
    """Raises ``DataError`` for an unknown split; what has no partner is among ``gaps``."""

    def __init__(self, root: Path, split: str, classes: Classes) -> None:
        pairs, gaps = list[Pair](), list[Gap]()
        listed = _list_file(root, split)
        for line in _names(listed):
            name = line if _picture(root, line).is_file() else line.split()[0]  # 1 or -1 may follow
            image, mask = _picture(root, name), _mask(root, name)
            missing = image if not image.is_file() else mask if not mask.is_file() else None
            if missing:
                gaps.append(Gap(missing, f"{missing}, named in {listed}, is missing.", f"Add it or remove {name}."))
            else:
                pairs.append(Pair(image, mask))
        super().__init__(pairs, gaps, classes)


def recognised(root: Path) -> bool:
    return (root / "JPEGImages").is_dir() and bool(splits(root))


def splits(root: Path) -> list[str]:
    return [path.stem for path in files_in(root / "ImageSets" / "Segmentation", (".txt",))]


def classes(root: Path) -> Classes:
    """Pascal VOC's, or those that CVAT lists in labelmap.txt when it exports in this form."""
    listed = root / "labelmap.txt"
    if listed.is_file():
        return _labelmap(listed)
    colours = tuple(voc_palette(len(VOC)))
    return Classes(names=VOC, values=tuple(range(len(VOC))), colours=colours, ignored_colours=((224, 224, 192),))


def _labelmap(path: Path) -> Classes:
    """Lines NAME:R,G,B:PARTS:ACTIONS."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        found = [line.split(":") for line in lines if line.strip() and not line.startswith("#")]
        colours = [(int(red), int(green), int(blue)) for red, green, blue in (parts[1].split(",") for parts in found)]
    except (OSError, UnicodeDecodeError, ValueError, IndexError) as error:
        raise DataError(f"{path} cannot be read: {error}.", "Its lines are NAME:RED,GREEN,BLUE::.") from error
    names = tuple(parts[0] for parts in found)
    return Classes(names=names, values=tuple(range(len(names))), colours=tuple(colours))


def _picture(root: Path, name: str) -> Path:
    paths = [present(root / "JPEGImages" / f"{name}{suffix}") for suffix in IMAGE_SUFFIXES]
    return next((path for path in paths if path.is_file()), paths[0])


def _mask(root: Path, name: str) -> Path:
    paths = [present(root / folder / f"{name}.png") for folder in MASK_FOLDERS]
    return next((path for path in paths if path.is_file()), paths[0])


def _list_file(root: Path, split: str) -> Path:
    path = root / "ImageSets" / "Segmentation" / f"{split}.txt"
    if split not in splits(root):
        raise DataError(f"{path} is not there.", nearest(split, splits(root)) or f"Expected {FORM}.")
    return path


def _names(path: Path) -> list[str]:
    """The lines that are not blank."""
    try:
        names = [line for line in path.read_text("utf-8-sig", "surrogateescape").split("\n") if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.", "It holds a picture's name a line.") from error
    if not names:
        raise DataError(f"{path} is empty.", "It holds a picture's name a line.")
    return names
