"""Which ids occur in a map, how often and where: one pass, in bands that stay in the processor's cache.

Counting what equals an id takes numpy a tenth of the time of ``bincount``, and few ids occur in one band of a picture.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Ids
from maskery.core.boxes import Occurrence

BAND_BYTES = 1 << 16


def occurrences(ids: Ids) -> tuple[Occurrence, ...]:
    """(H, W) unsigned integers -> the ids that occur in it, ascending."""
    return occurrences_in([ids])


def occurrences_in(bands: Iterable[Ids]) -> tuple[Occurrence, ...]:
    """The same of a map that comes in bands (h, W) of any height, from top to bottom."""
    found: dict[int, _Extent] = {}
    for top, band in _small(bands):
        width, left = band.shape[1], band.size
        for number, extent in found.items():
            left -= extent.add(band == number, top)
            if not left:
                break
        if left:
            new = [int(c) for c in np.flatnonzero(np.bincount(band.reshape(-1))) if c not in found]
            for number in new:
                found[number] = _Extent(width)
                found[number].add(band == number, top)
    return tuple(Occurrence(number, found[number].pixels, found[number].box()) for number in sorted(found))


def _small(bands: Iterable[Ids]) -> Iterator[tuple[int, Ids]]:
    """Bands that stay in the cache, with the row at which each begins."""
    start = 0
    for ids in bands:
        rows = max(1, BAND_BYTES // (ids.shape[1] * ids.itemsize))
        for top in range(0, len(ids), rows):
            yield start + top, ids[top : top + rows]
        start += len(ids)


class _Extent:
    """Where one id was seen so far."""

    def __init__(self, width: int) -> None:
        self.pixels = 0
        self._columns = np.zeros(width, np.uint8)  # not 0 where it was seen
        self._ends: list[tuple[int, NDArray[np.bool_]]] = []  # first and last band: its top, where in it the id is

    def add(self, mask: NDArray[np.bool_], top: int) -> int:
        """Take note of a band, (h, W). Returns how many pixels of it have the id."""
        pixels = int(np.count_nonzero(mask))
        if pixels:
            self.pixels += pixels
            self._columns |= np.bitwise_or.reduce(mask.view(np.uint8), axis=0)
            self._ends = [*self._ends[:1], (top, mask)]
        return pixels

    def box(self) -> tuple[int, int, int, int]:
        columns = np.flatnonzero(self._columns)
        rows = [top + np.flatnonzero(mask.any(1)) for top, mask in self._ends]
        return int(columns[0]), int(rows[0][0]), int(columns[-1]) + 1, int(rows[-1][-1]) + 1
