import numpy as np
from hypothesis import example, given, settings
from numpy.typing import NDArray

from maskery.encode.options import Options
from maskery.encode.vector.outlines import single_ring
from tests.encode.reference import inside, label_maps, nested, signed_area
from tests.encode.vector.test_contours import PINCHED
from tests.encode.vector.test_outlines import scene


@settings(deadline=None, max_examples=200)
@given(ids=label_maps(side=12, classes=2))
@example(ids=nested())
@example(ids=PINCHED)
def test_filled_it_is_the_polygon_with_its_holes(ids: NDArray[np.uint8]) -> None:
    for polygon in scene(ids, Options()):
        ring = single_ring(polygon)
        np.testing.assert_array_equal(inside([ring], ids.shape), inside(polygon.rings, ids.shape))
        assert signed_area(ring) == polygon.pixels
        points = sum(len(r) for r in polygon.rings)
        assert len(ring) == points + 2 * (len(polygon.rings) - 1)


@settings(deadline=None)
@given(ids=label_maps(side=14, classes=2))
def test_also_of_simplified_polygons(ids: NDArray[np.uint8]) -> None:
    for polygon in scene(ids, Options(tolerance=1.5)):
        np.testing.assert_array_equal(inside([single_ring(polygon)], ids.shape), inside(polygon.rings, ids.shape))


def test_the_cut_is_the_same_line_forth_and_back() -> None:
    (polygon,) = [p for p in scene(nested(2), Options()) if len(p.rings) == 2]
    ring = [tuple(point) for point in single_ring(polygon).tolist()]
    edges = list(zip(ring, ring[1:] + ring[:1], strict=True))
    cuts = [(a, b) for a, b in edges if a[0] != b[0] and a[1] != b[1]]
    assert len(cuts) == 2
    assert cuts[0] == cuts[1][::-1]
