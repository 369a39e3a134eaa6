"""The formats, written out, and how one is recognised in a folder."""

from collections.abc import Callable, Sequence
from pathlib import Path

from maskery.datasets.base import SegmentationData
from maskery.datasets.coco_panoptic import CocoPanoptic
from maskery.datasets.mask_folder import MaskFolder
from maskery.errors import DataError, nearest

FORMATS: dict[str, Callable[[Path, str, Sequence[str]], SegmentationData]] = {
    "mask-folder": MaskFolder,
    "coco-panoptic": CocoPanoptic,
}


def open_dataset(root: Path, split: str, labels: Sequence[str], format: str = "auto") -> SegmentationData:
    """Open the data set in folder ``root``. Raises ``DataError`` for an unknown format or a folder of no known form."""
    if not root.is_dir():
        raise DataError(f"{root} is not a folder.", "Give the folder that holds the data set.")
    name = recognise(root) if format == "auto" else format
    if name not in FORMATS:
        raise DataError(f"Unknown data set format {name!r}.", nearest(name, FORMATS))
    return FORMATS[name](root, split, labels)


def recognise(root: Path) -> str:
    """The format's name for what lies in ``root``. Raises ``DataError``."""
    if any(root.glob("panoptic_*.json")):
        return "coco-panoptic"
    if (root / "images").is_dir() and (root / "masks").is_dir():
        return "mask-folder"
    raise DataError(
        f"{root} has the form of no known data set.",
        "Expected images/SPLIT + masks/SPLIT, or images/SPLIT + panoptic/SPLIT + panoptic_SPLIT.json.",
    )
