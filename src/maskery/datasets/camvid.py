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
    first = next((path for path in (root / "images").glob("*/*") if path.is_file()), None)
    return (root / "masks").is_dir() and first is not None and bool(NAME.fullmatch(first.stem))


def splits(root: Path) -> list[str]:
    return _annotated(root) or sorted(path.name for path in (root / "images").glob("*") if path.is_dir())


def classes(root: Path) -> Classes:
    return Classes(
        names=CAMVID,
        values=tuple(range(len(CAMVID))),
        colours=PALETTES["camvid"],
        ignored=(VOID, IGNORE),
        ignored_colours=((0, 0, 0),),
    )


def _annotated(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob("*") if path.is_dir() and (root / f"{path.name}annot").is_dir())
