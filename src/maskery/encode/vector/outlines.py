"""Polygons of a result: traced, simplified, without small pieces. What all vector formats are made of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import ClassMap, Integers
from maskery.core.errors import BadRequest
from maskery.core.result.capabilities import HasClassMap, HasInstances, Result, capable, expect
from maskery.core.result.instances import Instance
from maskery.encode.options import Options
from maskery.encode.selection import drawn
from maskery.encode.vector.contours import Rings, select, trace
from maskery.encode.vector.junctions import simplified, with_junctions

OUTLINE_OPTIONS = frozenset({"tolerance", "gap_free", "min_area"})
SHAPE_OPTIONS = OUTLINE_OPTIONS | {"file_name", "shape"}


@dataclass(frozen=True)
class Polygon:
    """One piece of one class, or of one object. ``rings``: the outer one, then the holes; each (n, 2) int64, x and y of
    pixel corners, the last point not repeating the first. Outer rings have a positive area in (x, y) as written, holes
    a negative one.

    ``id``: the class. ``pixels``: of the piece itself, whatever was simplified. ``instance``: whose piece it is.
    """

    id: int
    pixels: int
    rings: list[Integers]
    instance: Instance | None = None

    @property
    def box_xyxy(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of the outline as it is."""
        (left, top), (right, bottom) = self.rings[0].min(0).tolist(), self.rings[0].max(0).tolist()
        return left, top, right, bottom


@dataclass(frozen=True)
class Outlines:
    """``polygons``: by class, then from top to bottom; or by object. ``left_out_*``: pieces that were too
    small, and their pixels.
    """

    polygons: list[Polygon]
    left_out_pieces: int
    left_out_pixels: int


def outlines(result: Result, options: Options) -> Outlines:
    """The polygons of all objects, or of all classes but background; see ``Options`` for tolerance, gap_free, min_area.

    At tolerance 0 the polygons are the class map, exactly, and valid: rings do not cross themselves or each other. With
    ``gap_free`` a border of two classes is simplified once and used by both, and the picture's own border stays.
    Pieces that shrink to a line are left out. An object without a mask has the outline of its box. Objects may overlap:
    raises ``BadRequest`` for ``gap_free`` of such.
    """
    if objects := capable(result, HasInstances):
        return _of_objects(objects.instances, result.meta.frame.size_wh, options)
    mapped = expect(result, HasClassMap)
    return _traced(mapped.class_map, drawn(mapped), options)


def _traced(class_map: ClassMap, wanted: NDArray[np.bool_], options: Options) -> Outlines:
    """The polygons of the ids for which ``wanted``, (256 or 65536,) by id, is True."""
    rings = trace(class_map, wanted)
    pixels = _piece_pixels(rings)
    small = pixels < options.min_area
    rings = select(rings, ~small[rings.pieces])
    fixed = np.zeros(len(rings.points), np.bool_)
    if options.gap_free:
        rings, fixed = with_junctions(rings, class_map)
    if options.tolerance > 0:
        rings = simplified(rings, fixed, class_map.shape[1], options.tolerance)
    lost = pixels[small & (pixels > 0)]
    return Outlines(_polygons(rings, pixels), len(lost), int(lost.sum()))


def _of_objects(instances: Iterable[Instance], size_wh: tuple[int, int], options: Options) -> Outlines:
    """Object by object; never more of a mask is unpacked than the part of one."""
    if options.gap_free:
        cure = "Leave gap_free out; tolerance simplifies each object by itself."
        raise BadRequest("Single objects may overlap: they have no borders in common.", cure)
    every = [_of_object(one, size_wh, options) for one in instances]
    return Outlines(
        [polygon for one in every for polygon in one.polygons],
        sum(one.left_out_pieces for one in every),
        sum(one.left_out_pixels for one in every),
    )


def _of_object(one: Instance, size_wh: tuple[int, int], options: Options) -> Outlines:
    if one.mask is None:
        ring = box_ring(one, size_wh)
        if one.area < options.min_area or not np.ptp(ring, 0).all():
            return Outlines([], 1, one.area)
        return Outlines([Polygon(one.class_id, one.area, [ring], one)], 0, 0)
    if not one.mask.area:
        return Outlines([], 0, 0)
    wanted = np.arange(256) == 1
    found = _traced(one.mask.decoded().view(np.uint8), wanted, options)
    polygons = [
        Polygon(one.class_id, piece.pixels, [ring + one.mask.left_top for ring in piece.rings], one)
        for piece in found.polygons
    ]
    return replace(found, polygons=polygons)


def box_ring(one: Instance, size_wh: tuple[int, int]) -> Integers:
    """(4, 2): the corners of an object's box on whole pixels, clockwise on the screen, within the picture."""
    edges = np.rint(one.box_xyxy).astype(np.int64)
    left, top, right, bottom = np.clip(edges, 0, [*size_wh, *size_wh]).tolist()
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def by_object(polygons: Iterable[Polygon]) -> list[tuple[Instance, list[Polygon]]]:
    """The objects of an ``Outlines`` with their pieces, in its order; those of a class map are in none."""
    found: dict[int, tuple[Instance, list[Polygon]]] = {}
    for polygon in polygons:
        if polygon.instance:
            found.setdefault(polygon.instance.id, (polygon.instance, []))[1].append(polygon)
    return list(found.values())


def joined(polygons: Sequence[Polygon]) -> Integers:
    """(n, 2): one ring for all pieces of an object, each as ``single_ring`` has it, joined by cuts of no width."""
    first, *others = (single_ring(polygon) for polygon in polygons)
    if not others:
        return first
    ways = [part for ring in others for part in (first[:1], ring, ring[:1])]
    return np.concatenate([first, *ways])


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
