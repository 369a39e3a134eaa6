"""Format ``mask-folder``: pictures beside masks of the same names, in one of three arrangements.

images/SPLIT + masks/SPLIT, or SPLIT/images + SPLIT/masks, or images + masks without splits. A file ``classes.toml`` or
``classes.txt`` beside them may say what mask values mean; without it they are class ids, and 255 is ignored.
"""

from pathlib import Path

from maskery.core.errors import DataError, nearest
from maskery.datasets.base import every_fifth
from maskery.datasets.classes import Classes, read_classes
from maskery.datasets.decoding import MaskFiles, paired

FORM = "images/[SPLIT/]*.jpg with masks/[SPLIT/]*.png"


class MaskFolder(MaskFiles):
    """Raises ``DataError`` for a missing folder and an unknown split; what has no partner is among ``gaps``."""

    def __init__(self, root: Path, split: str, classes: Classes) -> None:
        pairs, gaps = paired(*_folders(root, split))
        if not _below(root) and not _above(root):
            pairs = every_fifth(pairs, split, root)
            gaps = [] if split == "val" else gaps  # they are of both; said once
        super().__init__(pairs, gaps, classes)


def recognised(root: Path) -> bool:
    return ((root / "images").is_dir() and (root / "masks").is_dir()) or bool(_above(root))


def splits(root: Path) -> list[str]:
    """The split folders; ``train`` and ``val`` where there are none: every fifth picture is val."""
    return _below(root) or _above(root) or ["train", "val"]


def classes(root: Path) -> Classes | None:
    return read_classes(root)


def _folders(root: Path, split: str) -> tuple[Path, Path]:
    """The folders of a split's pictures and masks."""
    below, above = _below(root), _above(root)
    names = below or above
    if names and split not in names:
        raise DataError(f"{root} has no split {split!r}.", nearest(split, names))
    if not below and above:
        return root / split / "images", root / split / "masks"
    if not (root / "images").is_dir():
        raise DataError(f"{root} has no folder images.", f"Expected {FORM}.")
    return root / "images" / (split if below else ""), root / "masks" / (split if below else "")


def _below(root: Path) -> list[str]:
    """Split folders in images/."""
    return sorted(path.name for path in (root / "images").glob("*") if path.is_dir())


def _above(root: Path) -> list[str]:
    """Folders that hold images/ and masks/ of a split."""
    return sorted(path.name for path in root.glob("*") if (path / "images").is_dir() and (path / "masks").is_dir())
