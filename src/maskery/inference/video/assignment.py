"""Which row goes with which column, so that the sum of what the pairs are worth is the largest possible.

The algorithm is that of the shortest augmenting path (R. Jonker and A. Volgenant, Computing 38, 1987), on one connected
piece of the matrix at a time: boxes of two objects far from each other overlap by nothing, so the pieces are small.
scipy's ``linear_sum_assignment`` finds the same, but scipy would be a dependency of 100 MB.
"""

from collections.abc import Iterator

import numpy as np

from maskery.core.arrays import Doubles, Integers


def best_pairs(worth: Doubles) -> list[tuple[int, int]]:
    """(R, C) of numbers from 0 -> (row, column) of each pair, by rows; pairs that are worth nothing are left out."""
    pairs: list[tuple[int, int]] = []
    for rows, columns in _pieces(worth):
        part = worth[np.ix_(rows, columns)]
        pairs += [(int(rows[r]), int(columns[c])) for r, c in _solved(part) if part[r, c] > 0]
    return sorted(pairs)


def _pieces(worth: Doubles) -> Iterator[tuple[Integers, Integers]]:
    """Rows and columns that hang together by entries above 0."""
    linked = worth > 0
    waiting = set(np.flatnonzero(linked.any(axis=1)).tolist())
    while waiting:
        rows, columns, new = set[int](), set[int](), {min(waiting)}
        while new:
            rows |= new
            columns |= set(np.flatnonzero(linked[sorted(new)].any(axis=0)).tolist())
            new = set(np.flatnonzero(linked[:, sorted(columns)].any(axis=1)).tolist()) - rows
        waiting -= rows
        yield np.array(sorted(rows), np.int64), np.array(sorted(columns), np.int64)


def _solved(worth: Doubles) -> list[tuple[int, int]]:
    """The pairs of one piece; each row has one where there are not more rows than columns."""
    if len(worth) > worth.shape[1]:
        return [(row, column) for column, row in _solved(worth.T)]
    prices = _Prices(-worth)
    for row in range(len(worth)):
        prices.add(row)
    return [(int(prices.row_of[c]), int(c)) for c in np.flatnonzero(prices.row_of >= 0)]


class _Prices:
    """Pairs so far, and a price for each row and column: an entry's cost less both prices is never below 0, and is 0
    for each pair, so that no other pairs of the same rows cost less.
    """

    def __init__(self, cost: Doubles) -> None:
        self._cost = cost
        self._row, self._column = np.zeros(cost.shape[0]), np.zeros(cost.shape[1])
        self.row_of = np.full(cost.shape[1], -1)

    def add(self, start: int) -> None:
        """Give the row ``start`` a column by the cheapest path over the pairs there are."""
        width = len(self.row_of)
        distance, before = np.full(width, np.inf), np.full(width, -1)
        done, row, least = np.zeros(width, np.bool_), start, 0.0
        while True:
            step = least + self._cost[row] - self._row[row] - self._column
            closer = ~done & (step < distance)
            distance[closer], before[closer] = step[closer], row
            column = int(np.argmin(np.where(done, np.inf, distance)))
            least = float(distance[column])
            if self.row_of[column] < 0:
                break
            done[column], row = True, int(self.row_of[column])
        self._row[start] += least
        self._row[self.row_of[done]] += least - distance[done]
        self._column[done] -= least - distance[done]
        self._turn(before, column, start)

    def _turn(self, before: Integers, column: int, start: int) -> None:
        """Swap the pairs along the path that ends in ``column``."""
        row = -1
        while row != start:
            row = int(before[column])
            previous = np.flatnonzero(self.row_of == row)
            self.row_of[column] = row
            column = int(previous[0]) if len(previous) else -1
