"""Small data sets as labelling tools export them: pictures, and a class map that every format must give back."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskery.datasets.base import SegmentationData
from maskery.datasets.formats import describe, open_dataset
from tests.encode.results import LABELS

SIZE_WH = (16, 12)


def class_map(seed: int = 0) -> NDArray[np.uint8]:
    """(12, 16) ids of ``tests.encode.results.LABELS``: blocks with holes, islands and corners that touch."""
    blocks = np.random.default_rng(seed).integers(0, len(LABELS), (6, 8)).astype(np.uint8)
    return np.kron(blocks, np.ones((2, 2), np.uint8))


def picture(path: Path, size_wh: tuple[int, int] = SIZE_WH) -> None:
    """A grey picture at ``path``, its folder too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size_wh, (90, 90, 90)).save(path)


def opened(root: Path, format: str, split: str = "all") -> SegmentationData:
    """The data set, which must be recognised as of this format."""
    assert describe(root).format == format
    return open_dataset(root, split)
