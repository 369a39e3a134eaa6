"""A huge picture through the model, tile by tile, from top to bottom, in memory that does not grow with its height.

Of the scores only those of one row of tiles are held. Where tiles overlap, their scores are blended, each tile's weight
falling in a straight line towards its border. Classes are decided afterwards, exactly as for a picture of one piece:
``resample`` on the grid of all scores. Models that give only class maps are not blended: a position belongs to the tile
whose centre is nearest.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import ClassMap, Scores
from maskery.core.picture.rows import RowBuffer
from maskery.core.plan import Placement, TileGrid
from maskery.inference.upsample import resample
from maskery.inference.upsample.resample import Axis

Look = Callable[[NDArray[np.uint8]], Scores]
"""What the model says of one tile: (h, w, 3) uint8 RGB -> (C, n, m) float32 that cover it."""

# Pixels of the picture that are decided at once.
DECIDE_PIXELS = 1 << 21


@dataclass(frozen=True)
class ScoreBand:
    """Rows of the grid of all scores, (C, n, m) float32, from top to bottom; ``grid_wh``: its (columns, rows)."""

    scores: Scores
    grid_wh: tuple[int, int]


def score_bands(rows: Iterable[NDArray[np.uint8]], grid: TileGrid, look: Look, blend: bool) -> Iterator[ScoreBand]:
    """Bands (h, W, 3) uint8 of the picture at ``grid.content_wh`` -> the scores of the whole, a row of tiles at a time.

    ``blend``: mix the scores of overlapping tiles, else take each from one tile.
    """
    window, sums = RowBuffer(rows), _Sums(grid, blend)
    for number, top in enumerate(grid.tops):
        slab = _slab(window, top, grid)
        for column, left in enumerate(grid.lefts):
            tile = np.ascontiguousarray(slab[:, left : left + grid.tile_wh[0]])
            sums.add(_at_pitch(look(tile), grid, blend), column, number)
        yield sums.finished(number)


def _slab(window: RowBuffer, top: int, grid: TileGrid) -> NDArray[np.uint8]:
    """The rows of one row of tiles, ``grid.whole_wh`` wide; what lies beyond the picture repeats its border."""
    height = grid.tile_wh[1]
    slab: NDArray[np.uint8] = window.rows(top, min(top + height, grid.content_wh[1]))
    missing = (height - len(slab), grid.whole_wh[0] - slab.shape[1])
    return np.pad(slab, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge") if max(missing) else slab


def _at_pitch(scores: Scores, grid: TileGrid, blend: bool) -> Scores:
    """The scores as they are if their positions coincide with those of all other tiles, else one a working pixel."""
    (width, height), (_, rows, columns) = grid.tile_wh, scores.shape
    if width % columns == 0 and height % rows == 0:
        pitch = (width // columns, height // rows)
        if grid.unit % pitch[0] == 0 and grid.unit % pitch[1] == 0:
            return scores
    same = Placement((width, height), (width, height), (width, height), (0, 0))
    x, y = resample.axes(same, (columns, rows))
    if not blend:
        return scores[:, np.where(y.weight >= 0.5, y.high, y.low)][..., np.where(x.weight >= 0.5, x.high, x.low)]
    return resample.BandReader(np.ascontiguousarray(scores), x, y).read()


class _Sums:
    """The sums of weighted scores of one row of tiles, and what it shares with the next one."""

    def __init__(self, grid: TileGrid, blend: bool) -> None:
        self._grid, self._weights = grid, _ramps if blend else _nearest
        self._sums: Scores | None = None
        self._pitch = (1, 1)
        self._across: list[Scores] = []
        self._down: list[Scores] = []

    def add(self, scores: Scores, column: int, row: int) -> None:
        """Add a tile's scores, (C, n, m)."""
        classes, height, width = scores.shape
        grid = self._grid
        if self._sums is None:
            self._pitch = (grid.tile_wh[0] // width, grid.tile_wh[1] // height)
            self._across = self._weights([left // self._pitch[0] for left in grid.lefts], width)
            self._down = self._weights([top // self._pitch[1] for top in grid.tops], height)
            self._sums = np.zeros((classes, height, grid.whole_wh[0] // self._pitch[0]), np.float32)
        left = grid.lefts[column] // self._pitch[0]
        weighted = scores * self._across[column]
        weighted *= self._down[row][:, None]
        self._sums[:, :, left : left + width] += weighted

    def finished(self, row: int) -> ScoreBand:
        """The rows that no later tile adds to, once all tiles of ``row`` were added."""
        assert self._sums is not None
        sums, tops = self._sums, self._grid.tops
        size = (sums.shape[2], self._grid.whole_wh[1] // self._pitch[1])
        if row + 1 == len(tops):
            return ScoreBand(sums, size)
        done = (tops[row + 1] - tops[row]) // self._pitch[1]
        band = sums[:, :done].copy()
        for classes in sums:
            classes[:-done] = classes[done:].copy()
        sums[:, -done:] = 0
        return ScoreBand(band, size)


def _ramps(starts: list[int], length: int) -> list[Scores]:
    """Weights (length,) of tiles along one axis that sum up to 1 where they overlap: straight lines to the border."""
    distance = np.minimum(np.arange(length) + 0.5, length - np.arange(length) - 0.5)
    raw = [distance.copy() for _ in starts]
    # Towards the picture's own border nothing fades.
    raw[0][: (length + 1) // 2] = raw[-1][length // 2 :] = length / 2
    return _shared(raw, starts, length)


def _nearest(starts: list[int], length: int) -> list[Scores]:
    """Weights (length,), 1 where a tile's centre is the nearest one, else 0."""
    centres = np.array(starts) + length / 2
    owners = np.abs(np.arange(starts[-1] + length)[:, None] + 0.5 - centres).argmin(1)
    return [(owners[start : start + length] == i).astype(np.float32) for i, start in enumerate(starts)]


def _shared(raw: list[NDArray[np.float64]], starts: list[int], length: int) -> list[Scores]:
    total = np.zeros(starts[-1] + length)
    for start, weights in zip(starts, raw, strict=True):
        total[start : start + length] += weights
    return [
        (weights / total[start : start + length]).astype(np.float32) for start, weights in zip(starts, raw, strict=True)
    ]


def decided(
    bands: Iterable[ScoreBand], placement: Placement, decide: Callable[[Scores, Axis, Axis], ClassMap]
) -> Iterator[ClassMap]:
    """Bands of scores -> bands (h, W) of what ``decide`` makes of them, from top to bottom.

    ``placement``: of ``original_wh`` pixels in the picture that all scores cover. ``decide``: (C, n, m) scores and the
    axes into them -> (h, W).
    """
    width, height = placement.original_wh
    step = max(1, DECIDE_PIXELS // width)
    held, origin, top = None, 0, 0
    for band in bands:
        held = band.scores if held is None else np.concatenate([held, band.scores], axis=1)
        x, y = resample.axes(placement, band.grid_wh)
        bottom = int(np.searchsorted(y.high, origin + held.shape[1]))
        for start in range(top, bottom, step):
            stop = min(start + step, bottom)
            first, last = int(y.low[start]), int(y.high[stop - 1]) + 1
            part = np.ascontiguousarray(held[:, first - origin : last - origin])
            yield decide(part, x, y.part(start, stop, first))
        top = bottom
        if top < height:
            keep = min(int(y.low[top]), origin + held.shape[1])  # of a small answer, the next row may be further down
            origin, held = keep, held[:, keep - origin :].copy()
