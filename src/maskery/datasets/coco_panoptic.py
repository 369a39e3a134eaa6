"""Format ``coco-panoptic`` (cocodataset.org): images/SPLIT/*.jpg, panoptic/SPLIT/*.png, panoptic_SPLIT.json.

A pixel of the PNG holds the segment id as R + 256 G + 65536 B. Classes are matched to ``labels`` by name; what has no
counterpart becomes ``background``, a crowd becomes ``IGNORE``.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskery.datasets.base import IGNORE, ImageFiles, same_name
from maskery.errors import DataError


class CocoPanoptic(ImageFiles):
    """Raises ``DataError`` for a missing file or when no class name of the data set is among ``labels``."""

    def __init__(self, root: Path, split: str, labels: Sequence[str]) -> None:
        index_path = root / f"panoptic_{split}.json"
        try:
            index = json.loads(index_path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            found = sorted(p.stem.removeprefix("panoptic_") for p in root.glob("panoptic_*.json"))
            raise DataError(f"{index_path} cannot be read: {error}.", f"Splits here: {', '.join(found)}.") from error
        ids = {same_name(label): i for i, label in enumerate(labels)}
        self._class_of = {
            c["id"]: ids[same_name(c["name"])] for c in index["categories"] if same_name(c["name"]) in ids
        }
        if not self._class_of:
            raise DataError(f"{index_path} and the model have no class name in common.", "Check the labels.")
        self._rest = ids.get("background", IGNORE)
        self._annotations = index["annotations"]
        self._masks = root / "panoptic" / split
        names = {image["id"]: image["file_name"] for image in index["images"]}
        super().__init__(labels, [root / "images" / split / names[a["image_id"]] for a in self._annotations])
        for path in self.images:
            if not path.is_file():
                raise DataError(f"{path}, named in {index_path.name}, is missing.", "Fetch the pictures too.")

    def mask(self, index: int) -> NDArray[np.uint8]:
        annotation = self._annotations[index]
        path = self._masks / annotation["file_name"]
        try:
            rgb = np.array(Image.open(path).convert("RGB"), dtype=np.uint32)
        except (OSError, SyntaxError, ValueError) as error:
            raise DataError(f"{path} is not a readable mask: {error}.", "Fetch it again.") from error
        segment = rgb[..., 0] + 256 * rgb[..., 1] + 65536 * rgb[..., 2]
        mask = np.full(segment.shape, self._rest, dtype=np.uint8)
        mask[segment == 0] = IGNORE
        for info in annotation["segments_info"]:
            label = self._class_of.get(info["category_id"])
            if label is not None:
                mask[segment == info["id"]] = IGNORE if info["iscrowd"] else label
        return mask
