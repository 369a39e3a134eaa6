"""Polygons of a result: traced, simplified, without small pieces. What all vector formats are made of."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from maskery.core.arrays import Integers
from maskery.core.result.capabilities import HasClassMap
from maskery.encode.options import Options
from maskery.encode.selection import drawn
from maskery.encode.vector.contours import Rings, select, trace
from maskery.encode.vector.junctions import simplified, with_junctions

OUTLINE_OPTIONS = frozenset({"tolerance", "gap_free", "min_area"})
SHAPE_OPTIONS = OUTLINE_OPTIONS | {"file_name", "shape"}


@dataclass(frozen=True)
class Polygon:
    """One piece of one class. ``rings``: the outer one, then the holes; each (n, 2) int64, x and y of pixel corners,
    the last point not repeating the first. Outer rings have a positive area in (x, y) as written, holes a negative one.

    ``pixels``: of the piece itself, whatever was simplified.
    """

    id: int
    pixels: int
    rings: list[Integers]

    @property
    def box_xyxy(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of the outline as it is."""
        (left, top), (right, bottom) = self.rings[0].min(0).tolist(), self.rings[0].max(0).tolist()
        return left, top, right, bottom


@dataclass(frozen=True)
class Outlines:
    """``polygons``: by class, then from top to bottom. ``left_out_*``: pieces that were too small, and their pixels."""

    polygons: list[Polygon]
    left_out_pieces: int
    left_out_pixels: int


def outlines(result: HasClassMap, options: Options) -> Outlines:
    """The polygons of all classes but background; see ``Options`` for tolerance, gap_free and min_area.

    At tolerance 0 the polygons are the class map, exactly, and valid: rings do not cross themselves or each other. With
    ``gap_free`` a border of two classes is simplified once and used by both, and the picture's own border stays.
    Pieces that shrink to a line are left out.
    """
    rings = trace(result.class_map, drawn(result))
    pixels = _piece_pixels(rings)
    small = pixels < options.min_area
    rings = select(rings, ~small[rings.pieces])
    fixed = np.zeros(len(rings.points), np.bool_)
    if options.gap_free:
        rings, fixed = with_junctions(rings, result.class_map)
    if options.tolerance > 0:
        rings = simplified(rings, fixed, result.class_map.shape[1], options.tolerance)
    lost = pixels[small & (pixels > 0)]
    return Outlines(_polygons(rings, pixels), len(lost), int(lost.sum()))


def made(options: Options, found: Outlines) -> dict[str, Any]:
    """How outlines were made, as every format of ours says it."""
    return {
        "tolerance": options.tolerance,
        "gap_free": options.gap_free,
        "min_area": options.min_area,
        "left_out": {"pieces": found.left_out_pieces, "pixels": found.left_out_pixels},
    }


def _piece_pixels(rings: Rings) -> Integers:
    """By number of piece: its pixels, holes taken off; 0 where no piece has that number."""
    return np.rint(np.bincount(rings.pieces, weights=rings.areas)).astype(np.int64)


def _polygons(rings: Rings, pixels: Integers) -> list[Polygon]:
    """A piece whose outer ring is gone has no polygon."""
    found: dict[int, Polygon] = {}
    for ring in np.lexsort((rings.areas < 0, rings.pieces, rings.ids)).tolist():
        piece = int(rings.pieces[ring])
        points = rings.points[rings.starts[ring] : rings.starts[ring + 1]]
        if rings.areas[ring] > 0:
            found[piece] = Polygon(int(rings.ids[ring]), int(pixels[piece]), [points])
        elif piece in found:
            found[piece].rings.append(points)
    return list(found.values())


def single_ring(polygon: Polygon) -> Integers:
    """(n, 2): the outer ring; at some of its points it goes to a hole, around it and back along the same line.

    Such a cut has no width and is walked once in each direction, so filling, even-odd or non-zero, gives the polygon
    with its holes. Without holes it is the outer ring itself.
    """
    outer, holes = polygon.rings[0], polygon.rings[1:]
    if not holes:
        return outer
    width = max(int(ring[:, 0].max()) for ring in polygon.rings) + 1
    keys = outer[:, 1] * width + outer[:, 0]
    order = np.argsort(keys)
    ways: list[tuple[int, Integers]] = []
    for hole in holes:
        hole_keys = hole[:, 1] * width + hole[:, 0]
        first = int(hole_keys.argmin())
        # The outer point that comes before it in reading order is near, and quickly found.
        before = max(int(np.searchsorted(keys, hole_keys[first], "right", sorter=order)) - 1, 0)
        at = int(order[before])
        ways.append((at, np.concatenate([np.roll(hole, -first, 0), hole[[first]], outer[[at]]])))
    ways.sort(key=lambda way: way[0])
    parts = np.split(outer, [at + 1 for at, _ in ways])
    joined = [parts[0]]
    for (_, way), rest in zip(ways, parts[1:], strict=True):
        joined += [way, rest]
    return np.concatenate(joined)
