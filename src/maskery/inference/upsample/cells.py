"""Cells of four neighbouring score positions: which of them hold several classes, and who wins where inside those.

All cells are worked on together, in chunks that stay in the processor's cache, and only with the classes that can win
in them: two in most, along a border. What is left to Python is one loop over the pixel rows of a chunk.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import ClassMap, Ids, Indices, Scores

# Scores that are interpolated at once; times 4 bytes, and some working copies of it.
CHUNK = 1 << 15
FEW_CELLS = 256


@dataclass(frozen=True)
class Axis:
    """For each original pixel along one axis: the two score positions around its centre and the second one's weight.

    ``low`` and ``high`` are (n,) intp, non-decreasing, ``weight`` (n,) float32 in 0..1.
    """

    low: Indices
    high: Indices
    weight: NDArray[np.float32]

    def part(self, start: int, stop: int, origin: int = 0) -> "Axis":
        """Pixels ``start`` to ``stop``, into scores of which those before position ``origin`` are not there."""
        return Axis(self.low[start:stop] - origin, self.high[start:stop] - origin, self.weight[start:stop])

    def spans(self, positions: int) -> tuple[Indices, Indices]:
        """For each score position: the first pixel whose ``low`` it is, and how many there are."""
        edges = np.searchsorted(self.low, np.arange(positions + 1))
        return edges[:-1], np.diff(edges)


@dataclass(frozen=True)
class ScoreMemory:
    """(C, h, w) scores as they lie in memory: all in a row, and how far neighbours along each axis are apart."""

    flat: Scores
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @classmethod
    def of(cls, scores: Scores) -> "ScoreMemory":
        """Of contiguous scores, or the (C, h, w) view of (h, w, C) ones; others are copied."""
        memory = scores.transpose(1, 2, 0)
        if not memory.flags.c_contiguous:
            memory = scores = np.ascontiguousarray(scores)
        return cls(memory.reshape(-1), scores.shape, tuple(step // scores.itemsize for step in scores.strides))


@dataclass(frozen=True)
class Cells:
    """Cells by their upper left positions, (n,) each: ``row`` and ``column`` in the grid, ``at`` in its memory."""

    row: Indices
    column: Indices
    at: Indices

    @classmethod
    def of(cls, grid: ScoreMemory, row: Indices, column: Indices) -> "Cells":
        return cls(row, column, row * grid.strides[1] + column * grid.strides[2])

    def __getitem__(self, part: "slice | Indices") -> "Cells":
        return Cells(self.row[part], self.column[part], self.at[part])


def best_class(scores: Scores) -> ClassMap:
    """(C, h, w) -> (h, w): the class of the largest score, the first of equal ones."""
    dtype = np.uint8 if len(scores) <= 255 else np.uint16
    if scores.strides[0] == scores.itemsize:
        whole: ClassMap = scores.argmax(0).astype(dtype)
        return whole
    best = scores[0].copy()
    ids: ClassMap = np.zeros(scores.shape[1:], dtype)
    for number, plane in enumerate(scores[1:], start=1):  # quicker than numpy's argmax over the first axis
        _lead(best, ids, plane, dtype(number))
    return ids


def _lead(best: Scores, ids: Ids, values: Scores, classes: Ids | np.unsignedinteger[Any]) -> None:
    """Where ``values`` exceed ``best``, they become it, and ``classes`` (larger than all before) become ``ids``."""
    ahead = values > best
    np.maximum(best, values, out=best)
    np.maximum(ids, ahead.view(np.uint8) * classes, out=ids)


def mixed(best: ClassMap) -> NDArray[np.bool_]:
    """(h, w): whether the corners (y, x), (y, x+1), (y+1, x), (y+1, x+1) name different classes; edges clamped."""
    found = np.zeros(best.shape, dtype=bool)
    across = best[:, 1:] != best[:, :-1]
    down = best[1:] != best[:-1]
    found[:, :-1] |= across
    found[:-1, :-1] |= across[1:]
    found[:-1] |= down
    found[:-1, :-1] |= down[:, 1:]
    return found


def refine(scores: Scores, which: NDArray[np.bool_], x: Axis, y: Axis, decided: ClassMap) -> None:
    """Write the best class of every pixel in the cells ``which``, (h, w), into ``decided``, (H, W).

    There the pixels hold the class of their cell's upper left corner.
    """
    grid = ScoreMemory.of(scores)
    across, down = _Pixels.of(x, grid.shape[2], grid.strides[2]), _Pixels.of(y, grid.shape[1], grid.strides[1])
    _Canvas(grid, across, down, decided).refine(which)


def _contends(grid: ScoreMemory, cells: Cells) -> NDArray[np.bool_]:
    """(n, C): whether the class can win somewhere in the cell.

    A class whose largest corner lies below another's smallest corner loses everywhere.
    """
    classes, height, width = grid.shape
    right = np.where(cells.column + 1 < width, grid.strides[2], 0)[:, None]
    below = np.where(cells.row + 1 < height, grid.strides[1], 0)[:, None]
    upper = cells.at[:, None] + np.arange(classes) * grid.strides[0]
    lower = upper + below
    corners = [grid.flat.take(index) for index in (upper, upper + right, lower, lower + right)]
    largest = np.maximum(np.maximum(corners[0], corners[1]), np.maximum(corners[2], corners[3]))
    smallest = np.minimum(np.minimum(corners[0], corners[1]), np.minimum(corners[2], corners[3]))
    floor = smallest.max(1, keepdims=True)
    margin = np.float32(1e-5) * (1 + np.abs(floor))
    contends: NDArray[np.bool_] = ~(largest < floor - margin)  # so that not-a-number contends
    return contends


def _by_contenders(contends: NDArray[np.bool_]) -> Iterator[tuple[Indices, Indices]]:
    """(n, C) -> the cells with up to 2, 4, 8 ... contenders, and these as (2, 4, 8 ..., cells), ascending.

    The last ones of a few cells are not parted: every group costs some hundred calls of numpy.
    """
    count = np.count_nonzero(contends, axis=1)
    classes = np.nonzero(contends)[1]
    first = np.cumsum(count) - count
    lanes, rest = 2, np.arange(len(count))
    while rest.size:
        if lanes > 2 and len(rest) <= FEW_CELLS:
            lanes = int(count[rest].max())
        fits = count[rest] <= lanes
        members, rest = rest[fits], rest[~fits]
        if members.size:
            nth = np.minimum(np.arange(lanes)[:, None], count[members] - 1)
            yield members, classes[first[members] + nth]
        lanes *= 2


@dataclass(frozen=True)
class _Pixels:
    """One axis. For each score position: its ``first`` pixel and their ``count``. For each pixel: ``step``, how far
    apart in memory the two scores around it are, and the second one's ``weight``.
    """

    first: Indices
    count: Indices
    step: Indices
    weight: NDArray[np.float32]

    @classmethod
    def of(cls, axis: Axis, positions: int, stride: int) -> "_Pixels":
        return cls(*axis.spans(positions), (axis.high - axis.low) * stride, axis.weight)


@dataclass(frozen=True)
class _Canvas:
    """What is decided, from which scores: ``ids`` (H, W) at the pixels of ``x`` and ``y`` in ``grid``."""

    grid: ScoreMemory
    x: _Pixels
    y: _Pixels
    ids: Ids

    def refine(self, which: NDArray[np.bool_]) -> None:
        tall, wide = self.y.count, self.x.count
        row, column = np.nonzero(which & (tall > 0)[:, None] & (wide > 0))
        order = np.argsort(tall[row], kind="stable")  # cells of equal height share their loops
        cells = Cells.of(self.grid, row[order], column[order])
        step = max(1, CHUNK // self.grid.shape[0])
        for start in range(0, len(order), step):
            chunk = cells[start : start + step]
            for members, contenders in _by_contenders(_contends(self.grid, chunk)):
                self._decide_cells(chunk[members], contenders)

    def _decide_cells(self, cells: Cells, contenders: Indices) -> None:
        """Decide cells with the same number of ``contenders``, (m, n), a chunk of them at a time."""
        wide = self.x.count[cells.column]
        step = max(1, CHUNK // (len(contenders) * int(wide.max())))
        for start in range(0, len(wide), step):
            part, counts = cells[start : start + step], wide[start : start + step]
            owner = np.repeat(np.arange(len(counts)), counts)
            columns = np.arange(len(owner)) + (self.x.first[part.column] - np.cumsum(counts) + counts)[owner]
            self._decide_columns(part[owner], columns, contenders[:, start : start + step].take(owner, axis=1))

    def _decide_columns(self, cells: Cells, columns: Indices, classes: Indices) -> None:
        """Decide columns of pixels, (n,), each inside its own cell, with ``classes`` (m, n)."""
        flat, width = self.grid.flat, self.ids.shape[1]
        tops, tall = self.y.first[cells.row], self.y.count[cells.row]
        upper = classes * self.grid.strides[0] + cells.at
        lower = upper + self.y.step[tops]
        aside, weight = self.x.step[columns], self.x.weight[columns]
        above = lerp(flat.take(upper), flat.take(upper + aside), weight)
        below = lerp(flat.take(lower), flat.take(lower + aside), weight)
        numbers: Ids = classes.astype(self.ids.dtype)
        top, bottom = _leaders(above, numbers), _leaders(below, numbers)
        pixels, first = self.ids.reshape(-1), tops * width + columns
        # A class that is the best at both ends of a column is so in between. Half of them hold it already.
        plain = np.flatnonzero((top == bottom) & (top != pixels[first]))
        for rows in _pixel_rows(tall[plain], 1):
            pixels[first[plain] + rows * width] = top[plain]
        split = np.flatnonzero(top != bottom)
        above, below, numbers = above.take(split, 1), below.take(split, 1), numbers.take(split, 1)
        tops, first = tops[split], first[split]
        for rows in _pixel_rows(tall[split], len(numbers)):
            pixels[first + rows * width] = _winners(above, below, self.y.weight[tops + rows], numbers)


def _pixel_rows(tall: Indices, lanes: int) -> Iterator[Indices]:
    """Row numbers inside columns of pixels of these heights, (rows, 1 or n), of about ``CHUNK`` scores each.

    A column that is lower than the others repeats its last row.
    """
    if not tall.size:
        return
    highest, step = int(tall.max()), max(1, CHUNK // (lanes * tall.size))
    for start in range(0, highest, step):
        rows = np.arange(start, min(start + step, highest))[:, None]
        yield rows if int(tall.min()) == highest else np.minimum(rows, tall - 1)


def _leaders(scores: Scores, classes: Ids) -> Ids:
    """(m, n) scores of ascending ``classes`` (m, n) -> the class of the largest, (n,)."""
    best = scores[0].copy()
    ids: Ids = classes[0].copy()
    for values, number in zip(scores[1:], classes[1:], strict=True):
        _lead(best, ids, values, number)
    return ids


def _winners(above: Scores, below: Scores, weight: NDArray[np.float32], classes: Ids) -> Ids:
    """(m, n) scores above and below, weights (rows, n), classes (m, n) ascending -> the best class, (rows, n)."""
    rest = 1 - weight
    best = _mix(above[0], below[0], rest, weight)
    ids: Ids = classes[0]
    for upper, lower, number in zip(above[1:], below[1:], classes[1:], strict=True):
        values = _mix(upper, lower, rest, weight)
        ids = np.maximum(ids, (values > best).view(np.uint8) * number)  # quicker than np.where
        np.maximum(best, values, out=best)
    return ids


def lerp(first: Scores, second: Scores, weight: NDArray[np.float32]) -> Scores:
    """``first`` at weight 0, ``second`` at weight 1."""
    return _mix(first, second, 1 - weight, weight)


def _mix(first: Scores, second: Scores, rest: NDArray[np.float32], weight: NDArray[np.float32]) -> Scores:
    result: Scores = first * rest
    result += second * weight
    return result
