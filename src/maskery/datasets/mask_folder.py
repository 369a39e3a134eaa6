"""Format ``mask-folder``: pictures beside masks of the same names, in one of these arrangements.

images/SPLIT + masks/SPLIT, or SPLIT/images + SPLIT/masks, or images + masks without splits, under these names or the
others of ``FOLDERS``; or NAME-mask.png beside NAME.jpg, in one folder or in one a split. A file ``classes.toml`` or
``classes.txt`` beside them may say what mask values mean; without it they are class ids, and 255 is ignored.
"""

from collections.abc import Sequence
from pathlib import Path

from maskery.core.errors import DataError, nearest
from maskery.datasets.base import Pair, every_fifth
from maskery.datasets.classes import Classes, read_classes
from maskery.datasets.decoding import MaskFiles, is_mask, paired
from maskery.datasets.pictures import IMAGE_SUFFIXES, MASK_SUFFIXES, files_in, folders_in

FORM = "images/[SPLIT/]*.jpg with masks/[SPLIT/]*.png"
FOLDERS = (  # of pictures and masks, as labelling tools and their users call them
    ("images", "masks"),
    ("imgs", "masks"),
    ("images", "labels"),
    ("data", "labels"),
    ("JPEGImages", "SegmentationClassPNG"),
    ("JPEGImages", "SegmentationClass"),
)


class MaskFolder(MaskFiles):
    """Raises ``DataError`` for a missing folder and an unknown split; what has no partner is among ``gaps``."""

    def __init__(self, root: Path, split: str, classes: Classes) -> None:
        pairs, gaps = paired(*_folders(root, split))
        if not _split_folders(root):
            pairs = every_fifth(pairs, split, root)
            gaps = [] if split == "val" else gaps  # they are of both; said once
        super().__init__(pairs, gaps, classes)


def pairs_of(root: Path, split: str) -> list[Pair]:
    """The pictures of a split and their masks; ``split`` does not count where there are no split folders.

    Raises ``DataError`` for a missing folder and an unknown split.
    """
    return paired(*_folders(root, split))[0]


def recognised(root: Path) -> bool:
    return _names(root) is not None or bool(_above(root)) or _beside(root) or bool(_beside_in(root))


def splits(root: Path) -> list[str]:
    """The split folders; ``train`` and ``val`` where there are none: every fifth picture is val."""
    return _split_folders(root) or ["train", "val"]


def classes(root: Path) -> Classes | None:
    return read_classes(root)


def _split_folders(root: Path) -> list[str]:
    return _below(root) or _above(root) or _beside_in(root)


def _folders(root: Path, split: str) -> tuple[Path, Path]:
    """The folders of a split's pictures and masks."""
    names, below = _split_folders(root), _below(root)
    if names and split not in names:
        raise DataError(f"{root} has no split {split!r}.", nearest(split, names))
    above = _above(root)
    if not below and above:
        images, masks = _names(root / split) or FOLDERS[0]
        return root / split / images, root / split / masks
    known = _names(root)
    if known is None and (_beside(root) or _beside_in(root)):
        folder = root / (split if names else "")
        return folder, folder
    if known is None and not (root / "images").is_dir():
        raise DataError(f"{root} has no folder images.", f"Expected {FORM}.")
    images, masks = known or FOLDERS[0]
    return root / images / (split if below else ""), root / masks / (split if below else "")


def _names(root: Path) -> tuple[str, str] | None:
    """What the folders of pictures and masks are called; None where they are not in ``root``."""
    found = [names for names in FOLDERS if all((root / name).is_dir() for name in names)]
    return next((names for names in found if names == FOLDERS[0] or _has_masks(root / names[1])), None)


def _has_masks(folder: Path) -> bool:
    return any(files_in(one, MASK_SUFFIXES) for one in (folder, *folders_in(folder)))


def _below(root: Path) -> list[str]:
    """Split folders in the folder of pictures: those with pictures, or all where it has no pictures itself."""
    images = root / (_names(root) or FOLDERS[0])[0]
    found = folders_in(images)
    full = [path.name for path in found if files_in(path, IMAGE_SUFFIXES)]
    return full if full or files_in(images, IMAGE_SUFFIXES) else [path.name for path in found]


def _above(root: Path) -> list[str]:
    """Folders that hold the pictures and masks of a split."""
    return [path.name for path in folders_in(root) if _names(path)]


def _beside_in(root: Path) -> list[str]:
    """Folders that hold pictures with their masks beside them."""
    return [] if _beside(root) else [path.name for path in folders_in(root) if _beside(path)]


def _beside(folder: Path) -> bool:
    """Whether there is a picture with its mask beside it."""
    masks: Sequence[Path] = [path for path in files_in(folder, MASK_SUFFIXES) if is_mask(path)]
    stems = {path.stem for path in files_in(folder, IMAGE_SUFFIXES)} if masks else set()
    return any(path.stem[: -len("-mask")] in stems for path in masks)
