"""Pictures and maps as bands of rows, from top to bottom: what is too large for memory is worked on this way."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray


class RowBuffer:
    """A view of some rows that moves down over bands. Bands are (h, ...) of any height; rows above the view are let go.

    ``rows_taken`` counts the rows that came out of the bands so far.
    """

    def __init__(self, bands: Iterable[NDArray[Any]]) -> None:
        self._bands = iter(bands)
        self._held: list[NDArray[Any]] = []
        self._top = 0
        self.rows_taken = 0

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Rows ``start`` to ``stop``, fewer where the bands end before. ``start`` never goes back.

        Raises ``ValueError`` for rows that have been let go.
        """
        if start < self._top:
            raise ValueError(f"rows from {start} are asked for, those before {self._top} are gone")
        self._let_go(start)
        while self.rows_taken < stop and (band := next(self._bands, None)) is not None:
            self.rows_taken += len(band)
            self._held.append(band)
            self._let_go(start)
        if len(self._held) > 1:
            self._held = [np.concatenate(self._held)]
        if not self._held:
            raise ValueError(f"rows from {start} are asked for, but there are only {self.rows_taken}")
        found: NDArray[Any] = self._held[0][: stop - start]
        return found

    def _let_go(self, start: int) -> None:
        """Drop the rows before ``start``."""
        while self._held and self._top + len(self._held[0]) <= start:
            self._top += len(self._held.pop(0))
        if self._held and start > self._top:
            self._held[0] = self._held[0][start - self._top :]
            self._top = start


def rebanded(bands: Iterable[NDArray[Any]], heights: Iterable[int]) -> Iterator[NDArray[Any]]:
    """The same rows in bands of other heights, one after another."""
    window, top = RowBuffer(bands), 0
    for height in heights:
        yield window.rows(top, top + height)
        top += height


def steps(total: int, height: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of bands of ``height`` rows, the last one lower."""
    for start in range(0, total, height):
        yield start, min(start + height, total)
