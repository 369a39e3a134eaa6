"""What data sets of drawn objects have in common: classes by name, pictures by name, and shapes that become a mask."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Mask
from maskery.core.errors import DataError, nearest
from maskery.datasets import pictures
from maskery.datasets.base import ImageFiles
from maskery.datasets.classes import Classes, numbered, plain_class, read_classes

Shapes: TypeAlias = Iterator[tuple[int, Mask]]
"""(class id or ``IGNORE``, (H, W) pixels) from the lowest to the top one."""


class DrawnFiles(ImageFiles):
    """Pictures with objects drawn on them; what is in none is ``background``, class 0."""

    def _shapes(self, index: int, size_wh: tuple[int, int]) -> Shapes:
        """Raises ``DataError``."""
        raise NotImplementedError

    def _read_mask(self, index: int) -> NDArray[np.uint8]:
        path = self.images[index]
        size_wh = pictures.open_picture(path, str(path)).size_wh
        mask = np.zeros(size_wh[::-1], np.uint8)
        for number, pixels in self._shapes(index, size_wh):
            mask[pixels] = number
        return mask


def drawn_classes(root: Path, names: Iterable[str]) -> Classes:
    """Those of the file beside them where there is one, else ``background`` and ``names``, each once."""
    own = read_classes(root)
    if own is not None:
        return numbered(own.names, own.colours)
    return numbered(list(dict.fromkeys(["background", *map(plain_class, names)])))


def known_id(name: str, names: Sequence[str], path: Path) -> int:
    """The id of a class. Raises ``DataError`` for one that is none of ``names``."""
    plain = plain_class(name)
    if plain not in names:
        raise DataError(f"{path} has the class {plain!r}, which is not listed.", nearest(plain, names))
    return list(names).index(plain)
