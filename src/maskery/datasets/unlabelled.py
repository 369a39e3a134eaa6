"""A plain folder of pictures without masks: of use for training with soft labels only."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskery.core.errors import DataError
from maskery.core.labels import IGNORE
from maskery.datasets import pictures
from maskery.datasets.base import ImageFiles


class Unlabelled(ImageFiles):
    """The pictures in ``folder`` itself; every pixel of their masks is ``IGNORE``. Raises ``DataError`` if empty."""

    def __init__(self, folder: Path, labels: Sequence[str]) -> None:
        found = pictures.files_in(folder, pictures.IMAGE_SUFFIXES)
        if not found:
            raise DataError(f"{folder} has no pictures.", "Give a folder with pictures in it, not below it.")
        super().__init__(labels, found)

    def _read_mask(self, index: int) -> NDArray[np.uint8]:
        path = self.images[index]
        width, height = pictures.open_picture(path, str(path)).size_wh
        return np.full((height, width), IGNORE, np.uint8)
