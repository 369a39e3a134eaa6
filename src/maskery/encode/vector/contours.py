"""Outlines of the pieces of a class map: closed lines along pixel edges, exact to the pixel.

A piece is 4-connected pixels of one class. Its horizontal edges are found by comparing rows; the vertical ones follow
from them, for on each side of each grid line the corners, from top to bottom, are the ends of vertical edges, two by
two. So nothing is done pixel by pixel, and only the walk from edge to edge is a loop, of one step a horizontal edge.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import ClassMap, Integers
from maskery.core.result.rle import Runs, pieces, runs

BAND_PIXELS = 1 << 18
ABOVE, BELOW = -1, 1


@dataclass(frozen=True, kw_only=True)
class Rings:
    """Closed lines, one after another; the last point of each is joined to its first.

    A ring of positive area runs clockwise on the screen, which is counter-clockwise where y points up. Rings are
    simple; those of one piece may touch in single points.

    Attributes:
        points: (n, 2) int64, x and y of pixel corners: (0, 0) is the picture's left upper corner, (W, H) its right
            lower one.
        starts: (r + 1,), where the points of each ring begin, and n.
        ids: (r,), the class of each ring.
        pieces: (r,), the number of its piece.
        areas: (r,), pixels inside by the exact outline: positive of an outer ring, negative of a hole.
    """

    points: Integers
    starts: Integers
    ids: ClassMap
    pieces: Integers
    areas: Integers


def trace(class_map: ClassMap, wanted: NDArray[np.bool_]) -> Rings:
    """All rings of the classes for which ``wanted``, (256 or 65536,) by id, is True; only corners are points."""
    parts = runs(class_map)
    piece = pieces(parts)
    upper = _edges(class_map, ABOVE, wanted, parts, piece)
    lower = _edges(class_map, BELOW, wanted, parts, piece)
    # Upper edges go east and lower ones west, with their pixels to the right.
    enter = np.concatenate([upper.left_corners, lower.right_corners])
    leave = np.concatenate([upper.right_corners, lower.left_corners])
    order, starts = _walk(_following(enter, leave).tolist())
    y = np.concatenate([upper.y, lower.y])[order]
    x = np.stack([np.append(upper.left, lower.right), np.append(upper.right, lower.left)], 1)[order]
    points = np.stack([x, np.stack([y, y], 1)], 2).reshape(-1, 2)
    owner = np.concatenate([upper.pixels, lower.pixels])[order[starts]]
    areas = np.add.reduceat((x[:, 0] - x[:, 1]) * y, starts) if len(starts) else starts
    ids = class_map.reshape(-1)[owner]
    starts, numbers = 2 * np.append(starts, len(order)), piece[_run_of(parts, owner)]
    return Rings(points=points, starts=starts, ids=ids, pieces=numbers, areas=areas)


def select(rings: Rings, chosen: NDArray[np.bool_]) -> Rings:
    """Those rings for which ``chosen``, (r,), is True."""
    counts = np.diff(rings.starts)
    points = rings.points[np.repeat(chosen, counts)]
    starts = np.append(0, np.cumsum(counts[chosen]))
    ids, numbers, areas = rings.ids[chosen], rings.pieces[chosen], rings.areas[chosen]
    return Rings(points=points, starts=starts, ids=ids, pieces=numbers, areas=areas)


@dataclass(frozen=True, kw_only=True)
class _Edges:
    """The upper (or lower) edges of pieces; all arrays (n,).

    Attributes:
        y: The grid line that each lies on.
        left: The grid line where it begins.
        right: The grid line where it ends.
        pixels: Row-major index of its first pixel.
        left_corners: Numbers that sort the corners of one side of one vertical grid line from top to bottom.
        right_corners: The same of the right ends.
    """

    y: Integers
    left: Integers
    right: Integers
    pixels: Integers
    left_corners: Integers
    right_corners: Integers


def _edges(class_map: ClassMap, side: int, wanted: NDArray[np.bool_], parts: Runs, piece: Integers) -> _Edges:
    height, width = class_map.shape
    found = [np.stack(stretch) for stretch in _stretches(class_map, side)]
    first, last = np.concatenate(found, axis=1)
    chosen = wanted[class_map.reshape(-1)[first]]
    first, last = first[chosen], last[chosen]
    y, left, right = first // width + (side == BELOW), first % width, last % width + 1
    # At its end the outline turns along the edge's own pixel, unless the piece goes on diagonally across the corner.
    across = [
        _same_piece(class_map, parts, piece, first, side, ABOVE, left > 0),
        _same_piece(class_map, parts, piece, last, side, BELOW, right < width),
    ]
    corners = []
    for x, far, own_side in ((left, across[0], 1), (right, across[1], 0)):
        # The vertical edge belongs to the column right (1) or left (0) of the grid line, and goes down or up from here.
        line_side = own_side ^ far
        below = far ^ (side == ABOVE)
        corners.append(((2 * x + line_side) * (height + 1) + y) * 2 + below)
    return _Edges(y=y, left=left, right=right, pixels=first, left_corners=corners[0], right_corners=corners[1])


def _stretches(class_map: ClassMap, side: int) -> Iterator[tuple[Integers, Integers]]:
    """(first, last) row-major pixel of the longest stretches of one class with another class above (or below) them."""
    height, width = class_map.shape
    rows = max(1, BAND_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        band = class_map[top:bottom]
        edge = np.ones(band.shape, np.bool_)
        start, end = max(top, -side), min(bottom, height - side)  # rows whose neighbour is inside the picture
        if start < end:
            np.not_equal(class_map[start:end], class_map[start + side : end + side], out=edge[start - top : end - top])
        joined = band[:, 1:] == band[:, :-1]
        joined &= edge[:, 1:]
        joined &= edge[:, :-1]
        np.logical_not(joined, out=joined)
        first, last = edge, edge.copy()
        first[:, 1:] &= joined
        last[:, :-1] &= joined
        yield np.flatnonzero(first) + top * width, np.flatnonzero(last) + top * width


def _same_piece(
    class_map: ClassMap,
    parts: Runs,
    piece: Integers,
    pixels: Integers,
    vertical: int,
    horizontal: int,
    inside: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """(n,): whether the diagonal neighbour of each pixel belongs to its piece. ``inside``: its column exists."""
    height, width = class_map.shape
    row = pixels // width + vertical
    neighbour = pixels + vertical * width + horizontal
    flat = class_map.reshape(-1)
    candidates = np.flatnonzero(inside & (row >= 0) & (row < height))
    candidates = candidates[flat[neighbour[candidates]] == flat[pixels[candidates]]]
    same = np.zeros(len(pixels), np.bool_)
    here, there = pixels[candidates], neighbour[candidates]
    same[candidates] = piece[_run_of(parts, here)] == piece[_run_of(parts, there)]
    return same


def _run_of(parts: Runs, pixels: Integers) -> Integers:
    return np.searchsorted(parts.starts, pixels, "right") - 1


def _following(enter: Integers, leave: Integers) -> Integers:
    """(n,): for each edge the one at whose start its vertical edge arrives."""
    ends = np.argsort(np.concatenate([leave, enter])).reshape(-1, 2)
    following = np.empty(len(enter), np.int64)
    following[ends.min(1)] = ends.max(1) - len(enter)
    return following


def _walk(following: list[int]) -> tuple[Integers, Integers]:
    """The members of each cycle in order, one cycle after another, and where each begins."""
    waiting = bytearray(b"\1") * len(following)
    order: list[int] = []
    starts: list[int] = []
    for first in range(len(following)):
        if waiting[first]:
            starts.append(len(order))
            here = first
            while waiting[here]:
                waiting[here] = 0
                order.append(here)
                here = following[here]
    return np.array(order, np.int64), np.array(starts, np.int64)
