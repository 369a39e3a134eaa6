import json

import numpy as np
import shapely
from hypothesis import given, settings
from numpy.typing import NDArray

from maskery.encode.options import PLAIN_OPTIONS, Options
from maskery.encode.provenance import provenance
from maskery.encode.vector.polygons import encode_geojson
from tests.encode.reference import inside, label_maps, nested, signed_area
from tests.encode.results import halves, semantic


@settings(deadline=None)
@given(ids=label_maps(classes=3))
def test_rings_as_the_rfc_wants_them_and_the_same_pixels(ids: NDArray[np.uint8]) -> None:
    found = json.loads(encode_geojson(semantic(ids), PLAIN_OPTIONS))
    assert found["type"] == "FeatureCollection"
    painted = np.zeros(ids.shape, np.uint8)
    for feature in found["features"]:
        rings = feature["geometry"]["coordinates"]
        assert all(ring[0] == ring[-1] and len(ring) >= 4 for ring in rings)
        assert signed_area(rings[0]) > 0 > max((signed_area(ring) for ring in rings[1:]), default=-1)
        painted[inside(rings, ids.shape)] += feature["properties"]["id"]
    np.testing.assert_array_equal(painted, ids)


def test_other_programs_read_it() -> None:
    result = semantic(nested(4))
    collection = shapely.from_geojson(encode_geojson(result, PLAIN_OPTIONS))
    assert [part.is_valid for part in collection.geoms] == [True] * 4
    assert sum(part.area for part in collection.geoms) == 64


def test_members() -> None:
    result = semantic(halves())
    found = json.loads(encode_geojson(result, Options(gap_free=True)))
    assert found["provenance"] == json.loads(json.dumps(provenance(result.meta)))
    assert found["gap_free"] is True
    assert "pixels" in found["coordinates"]
    cat = found["features"][0]
    assert cat["properties"] == {"id": 1, "name": "cat", "color": "#c81e3c", "pixels": 48}
    assert cat["bbox"] == [0, 6, 8, 12]
