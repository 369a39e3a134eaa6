from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from maskery.encode.options import Options
from maskery.encode.vector.outlines import Polygon, outlines
from tests.encode.reference import inside, label_maps, nested, signed_area
from tests.encode.results import foreground, halves, semantic
from tests.encode.vector.test_contours import CORNERS, PINCHED

SCENE = ("sky", "cat", "dog", "sun", "sea")  # without background: every pixel belongs to a polygon
COLOURS = ((1, 2, 3),) * 5
SPIKED = np.array(  # one piece becomes a line along the right border
    [
        [0, 0, 1, 1, 1, 0, 0, 1, 1, 0, 0],
        [0, 0, 0, 0, 1, 1, 1, 1, 0, 1, 0],
        [1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0],
        [0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 1],
        [1, 0, 1, 1, 1, 1, 0, 1, 0, 0, 1],
        [1, 0, 1, 0, 1, 0, 0, 1, 0, 1, 1],
        [0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 0],
        [1, 0, 0, 1, 0, 1, 0, 0, 0, 1, 1],
        [1, 0, 0, 1, 0, 1, 0, 0, 0, 1, 1],
        [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0],
    ],
    np.uint8,
)


def scene(ids: NDArray[np.uint8], options: Options) -> list[Polygon]:
    return outlines(semantic(ids, SCENE, COLOURS), options).polygons


def painted(polygons: list[Polygon], shape: tuple[int, int]) -> NDArray[np.int64]:
    """Classes by polygon; -1 where none is, -2 where several are."""
    found = np.full(shape, -1)
    for polygon in polygons:
        own = inside(polygon.rings, shape)
        found[own] = np.where(found[own] == -1, polygon.id, -2)
    return found


def shaped(polygon: Polygon) -> shapely.Polygon:
    return shapely.Polygon(polygon.rings[0], polygon.rings[1:])


Point = tuple[int, int]
Edge = tuple[Point, Point]


def steps(polygon: Polygon) -> list[Edge]:
    """The polygon's directed edges."""
    return [
        ((a[0], a[1]), (b[0], b[1]))
        for ring in polygon.rings
        for a, b in zip(ring.tolist(), np.roll(ring, -1, 0).tolist(), strict=True)
    ]


def border_pixels(a: Point, b: Point, width: int, height: int) -> list[Edge]:
    """An edge on the picture's border pixel by pixel, another one as it is."""
    axis = 0 if a[1] == b[1] in (0, height) else 1
    if axis == 1 and not a[0] == b[0] in (0, width):
        return [(a, b)]
    along = range(a[axis], b[axis], 1 if b[axis] > a[axis] else -1)
    stops = [(n, a[1]) if axis == 0 else (a[0], n) for n in (*along, b[axis])]
    return list(pairwise(stops))


@settings(deadline=None, max_examples=200)
@given(ids=label_maps(classes=5), gap_free=st.booleans())
@example(ids=np.zeros((1, 1), np.uint8), gap_free=True)
@example(ids=CORNERS, gap_free=True)
@example(ids=PINCHED, gap_free=False)
@example(ids=nested(), gap_free=True)
def test_raster_to_polygons_to_raster_is_exact(ids: NDArray[np.uint8], gap_free: bool) -> None:
    polygons = scene(ids, Options(gap_free=gap_free))
    np.testing.assert_array_equal(painted(polygons, ids.shape), ids)
    for polygon in polygons:
        outline = shaped(polygon)
        assert outline.is_valid
        assert outline.area == polygon.pixels
        assert signed_area(polygon.rings[0]) > 0 > max((signed_area(r) for r in polygon.rings[1:]), default=-1)
        assert polygon.box_xyxy == outline.bounds


@settings(deadline=None, max_examples=200)
@given(ids=label_maps(side=14, classes=5), tolerance=st.sampled_from([0.0, 0.7, 1.0, 1.5, 3.0, 50.0]))
@example(ids=nested(), tolerance=1.5)
@example(ids=SPIKED, tolerance=3.0)
def test_neighbours_share_their_border(ids: NDArray[np.uint8], tolerance: float) -> None:
    """Each edge inside the picture is walked once in each direction, each pixel of its border once: no gap, no overlap.

    An edge may be walked by the two sides of pieces that became lines; those stand in no polygon. On the border such a
    line can have other points than its neighbours, so that there pixels are counted instead of edges.
    """
    height, width = ids.shape
    polygons = scene(ids, Options(gap_free=True, tolerance=tolerance))
    balance: Counter[Edge] = Counter()
    for polygon in polygons:
        for a, b in steps(polygon):
            for c, d in border_pixels(a, b, width, height):
                balance[min((c, d), (d, c))] += 1 if c < d else -1
    for ((x0, y0), (x1, y1)), sum in balance.items():
        on_border = (x0 == x1 and x0 in (0, width)) or (y0 == y1 and y0 in (0, height))
        assert abs(sum) == (1 if on_border else 0)
    total = np.sum([signed_area(ring) for polygon in polygons for ring in polygon.rings])
    assert total == pytest.approx(height * width)


@settings(deadline=None, max_examples=50)
@given(ids=label_maps(side=14, classes=3), tolerance=st.sampled_from([0.7, 1.0, 2.0]), gap_free=st.booleans())
def test_nothing_strays_farther_than_the_tolerance(ids: NDArray[np.uint8], tolerance: float, gap_free: bool) -> None:
    exact = {(p.id, p.pixels, tuple(p.rings[0][0])): p for p in scene(ids, Options())}
    border = shapely.MultiLineString([np.vstack([r, r[:1]]) for p in exact.values() for r in p.rings])
    for polygon in scene(ids, Options(gap_free=gap_free, tolerance=tolerance)):
        for ring in polygon.rings:
            assert len(ring) >= 3
            for point in ring:
                assert border.distance(shapely.Point(point)) == 0  # its points are points of the exact outline
            middle = (ring + np.roll(ring, -1, 0)) / 2
            assert max(border.distance(shapely.Point(point)) for point in middle) <= tolerance + 1e-9


def test_fewer_points_and_the_same_shape_on_a_disc() -> None:
    y, x = np.mgrid[:200, :200]
    ids = ((x - 100) ** 2 + (y - 90) ** 2 < 70**2).astype(np.uint8)
    (exact,) = outlines(semantic(ids), Options()).polygons
    (coarse,) = outlines(semantic(ids), Options(tolerance=1.0)).polygons
    assert len(coarse.rings[0]) < len(exact.rings[0]) / 5
    assert shaped(coarse).is_valid
    assert shaped(coarse).symmetric_difference(shaped(exact)).area < 0.02 * exact.pixels
    assert coarse.pixels == exact.pixels == ids.sum()


def test_background_and_no_class_have_no_polygons_unless_chosen() -> None:
    assert [p.id for p in outlines(semantic(halves()), Options()).polygons] == [1, 2]
    only = semantic(halves()).keep(["background"])
    assert [p.id for p in outlines(only, Options()).polygons] == [0]
    lone = semantic(halves(), SCENE, COLOURS).keep(["cat"])
    assert [p.id for p in outlines(lone, Options()).polygons] == [1]
    assert [(p.id, p.pixels) for p in outlines(foreground(halves() * 100), Options()).polygons] == [(1, 48)]


@settings(deadline=None)
@given(ids=label_maps(classes=3), area=st.integers(0, 6))
def test_small_pieces_are_left_out_and_counted(ids: NDArray[np.uint8], area: int) -> None:
    every, found = scene(ids, Options()), outlines(semantic(ids, SCENE, COLOURS), Options(min_area=area))
    kept = [p for p in every if p.pixels >= area]
    assert [(p.id, p.pixels) for p in found.polygons] == [(p.id, p.pixels) for p in kept]
    assert found.left_out_pieces == len(every) - len(kept)
    assert found.left_out_pixels == sum(p.pixels for p in every) - sum(p.pixels for p in kept)


def test_a_picture_of_background_only() -> None:
    found = outlines(semantic(np.zeros((4, 5), np.uint8)), Options(gap_free=True, tolerance=1.0, min_area=3))
    assert (found.polygons, found.left_out_pieces) == ([], 0)
