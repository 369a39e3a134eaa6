"""Format ``camvid``: the eleven classes of the SegNet split of CamVid, 11 is void and ignored.

Either as SegNet's tutorial has it (SPLIT/*.png, SPLITannot/*.png) or as images/SPLIT and masks/SPLIT with CamVid's own
file names, such as 0001TP_006690.
"""

import re
from pathlib import Path

from maskery.core.errors import DataError, nearest
from maskery.core.labels import CAMVID, IGNORE, PALETTES
from maskery.datasets.classes import Classes
from maskery.datasets.decoding import MaskFiles, paired
from maskery.datasets.pictures import IMAGE_SUFFIXES, files_in, folders_in

FORM = "SPLIT/*.png with SPLITannot/*.png, or images/SPLIT with masks/SPLIT and CamVid's file names"
VOID = 11
NAME = re.compile(r"(0001TP|0006R0|0016E5|Seq05VD)_f?\d+")


class CamVid(MaskFiles):
    """Raises ``DataError`` for an unknown split; what has no partner is among ``gaps``."""

    def __init__(self, root: Path, split: str, classes: Classes) -> None:
        if split not in splits(root):
            raise DataError(f"{root} has no split {split!r}.", nearest(split, splits(root)) or f"Expected {FORM}.")
        if (root / f"{split}annot").is_dir():
            super().__init__(*paired(root / split, root / f"{split}annot"), classes)
        else:
            super().__init__(*paired(root / "images" / split, root / "masks" / split), classes)


def recognised(root: Path) -> bool:
    if _annotated(root):
        return True
    first = next((p for folder in folders_in(root / "images") for p in files_in(folder, IMAGE_SUFFIXES)), None)
    return (root / "masks").is_dir() and first is not None and bool(NAME.fullmatch(first.stem))


def splits(root: Path) -> list[str]:
    return _annotated(root) or [path.name for path in folders_in(root / "images")]


def classes(root: Path) -> Classes:
    return Classes(
        names=CAMVID,
        values=tuple(range(len(CAMVID))),
        colours=PALETTES["camvid"],
        ignored=(VOID, IGNORE),
        ignored_colours=((0, 0, 0),),
    )


def _annotated(root: Path) -> list[str]:
    return [path.name for path in folders_in(root) if (root / f"{path.name}annot").is_dir()]
