"""Soft labels: what a teacher thought of each picture of a data set, and the part of it that a crop shows.

A folder with ``classes.txt``, a name a line in the order of the channels, and NAME.npy for every picture: logits
(C, h, w), floats, which cover the whole upright picture, in any resolution.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from maskery.core.errors import DataError
from maskery.datasets.base import SegmentationData
from maskery.datasets.classes import read_classes
from maskery.training.augment import CropSpec

STRIDE = 8
"""Pixels of a crop for each position of its soft labels, which are coarse by nature."""
CLASSES = "classes.txt"
DOUBT = 0.25
"""Background is doubtful where the teacher gives the classes that a set does not label more than this, together."""
BACKGROUND = 0


class SoftLabels:
    """Those of the pictures of ``data``. Raises ``DataError`` where they are of other classes or one is missing."""

    def __init__(self, folder: Path, data: SegmentationData, labels: Sequence[str]) -> None:
        self.folder, self.classes = folder, len(labels)
        named = read_classes(folder)
        if named is None:
            raise DataError(f"{folder / CLASSES} is missing.", "It names the channels, a class a line.")
        if named.names != tuple(labels):
            raise DataError(
                f"{folder / CLASSES} names other classes than the recipe, or in another order.",
                "Make the soft labels anew, with the recipe's classes.",
            )
        missing = [data.name(i) for i in range(len(data)) if not self._path(data.name(i)).is_file()]
        if missing:
            raise DataError(
                f"{len(missing)} pictures have no soft labels, the first: {self._path(missing[0])} is missing.",
                "Make the soft labels anew.",
            )

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npy"

    def logits(self, name: str) -> Tensor:
        """Of the picture ``name``, (C, h, w) float32. Raises ``DataError`` for a damaged file."""
        path = self._path(name)
        try:
            stored: NDArray[np.floating] = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{path} cannot be read: {error}.", "Make the soft labels anew.") from error
        if stored.ndim != 3 or stored.shape[0] != self.classes or stored.dtype.kind != "f":
            raise DataError(
                f"{path} holds {stored.dtype} {stored.shape}, not floats ({self.classes}, h, w).",
                "Make the soft labels anew.",
            )
        return torch.from_numpy(stored.astype(np.float32))


def nothing(classes: int, crop: int) -> Tensor:
    """The soft labels of a crop without any, (C, crop / STRIDE, crop / STRIDE), all NaN."""
    return torch.full((classes, crop // STRIDE, crop // STRIDE), torch.nan)


def cut_soft(
    logits: Tensor, size_wh: tuple[int, int], window: CropSpec, crop: int, swap: NDArray[np.uint8] | None
) -> Tensor:
    """What ``window`` shows of ``logits`` (C, h, w) over a picture of ``size_wh``: (C, crop / STRIDE, crop / STRIDE).

    NaN outside the picture. ``swap`` is that of ``cut``: in the mirror channels change places.
    """
    x0, y0, x1, y1 = window.box
    left, top, right, bottom = window.place
    middles = (torch.arange(crop // STRIDE) + 0.5) * STRIDE
    x = x0 + (middles - left) * (x1 - x0) / (right - left)
    y = y0 + (middles - top) * (y1 - y0) / (bottom - top)
    grid_y, grid_x = torch.meshgrid(2 * y / size_wh[1] - 1, 2 * x / size_wh[0] - 1, indexing="ij")
    grid = torch.stack((grid_x, grid_y), -1)[None].to(logits.dtype)
    soft = F.grid_sample(logits[None], grid, mode="bilinear", padding_mode="border", align_corners=False)[0]
    inside = ((middles > top) & (middles < bottom))[:, None] & ((middles > left) & (middles < right))
    soft = soft.masked_fill(~inside, torch.nan)
    if window.mirrored:
        soft = soft.flip(2) if swap is None else soft.flip(2)[swap[: len(soft)].astype(np.int64)]
    return soft


def doubtful(mask: NDArray[np.uint8], soft: Tensor, others: Sequence[int]) -> NDArray[np.bool_]:
    """Where ``mask`` (H, W) says background and the teacher may see one of the classes ``others``: (H, W) bool.

    ``soft``: a crop's soft labels, (C, h, w). What a set does not label is not background.
    """
    share = soft.softmax(0)[list(others)].sum(0).nan_to_num()[None, None]
    doubt = F.interpolate(share, mask.shape, mode="bilinear", align_corners=False)[0, 0].numpy() > DOUBT
    return np.asarray((mask == BACKGROUND) & doubt)


def forget(soft: Tensor, box: tuple[int, int, int, int]) -> None:
    """Forget, in place, the labels of the crop's pixels in ``box`` (left, top, right, bottom)."""
    left, top, right, bottom = box
    soft[:, top // STRIDE : -(-bottom // STRIDE), left // STRIDE : -(-right // STRIDE)] = torch.nan
