"""Format ``mask-folder``: images/SPLIT/NAME.jpg beside masks/SPLIT/NAME.png, mask pixels = class ids, 255 = ignore."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskery.datasets.base import IGNORE, ImageFiles
from maskery.errors import DataError, nearest

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


class MaskFolder(ImageFiles):
    """Raises ``DataError`` at once for a missing folder, an unknown split or a picture without mask."""

    def __init__(self, root: Path, split: str, labels: Sequence[str]) -> None:
        images, self._masks = root / "images" / split, root / "masks" / split
        if not images.is_dir():
            splits = sorted(p.name for p in (root / "images").glob("*") if p.is_dir())
            if splits:
                raise DataError(f"{root} has no split {split!r}.", nearest(split, splits))
            raise DataError(
                f"{root} has no folder images/{split}.", "Expected images/SPLIT/*.jpg and masks/SPLIT/*.png."
            )
        super().__init__(labels, sorted(p for p in images.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES))
        if not self.images:
            raise DataError(f"{images} has no pictures.", f"Put files with one of {', '.join(IMAGE_SUFFIXES)} in it.")
        missing = [p.name for p in self.images if not self._mask_path(p).is_file()]
        if missing:
            raise DataError(
                f"{len(missing)} pictures of {images} have no mask, the first is {missing[0]}.",
                f"Add {self._mask_path(Path(missing[0]))} or remove the picture.",
            )

    def _mask_path(self, image: Path) -> Path:
        return self._masks / f"{image.stem}.png"

    def mask(self, index: int) -> NDArray[np.uint8]:
        path = self._mask_path(self.images[index])
        try:
            with Image.open(path) as picture:
                if picture.mode not in ("P", "L"):
                    raise DataError(
                        f"{path} has mode {picture.mode}; a mask has one channel of class ids.",
                        "Save it as an 8-bit grey or palette PNG whose pixel values are class ids.",
                    )
                mask: NDArray[np.uint8] = np.array(picture, dtype=np.uint8)
        except (OSError, SyntaxError, ValueError) as error:
            raise DataError(f"{path} is not a readable mask: {error}.", "Write it again as PNG.") from error
        beyond = np.unique(mask[(mask >= len(self.labels)) & (mask != IGNORE)])
        if beyond.size:
            raise DataError(
                f"{path} has class id {beyond[0]}, but there are only {len(self.labels)} classes.",
                f"Ids go from 0 to {len(self.labels) - 1}; {IGNORE} is ignored.",
            )
        return mask
