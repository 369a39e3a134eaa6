"""The classes as a GeoJSON FeatureCollection (RFC 7946) in pixel coordinates, one feature a piece."""

from typing import Any

import msgspec

from maskery.encode.mask import as_semantic
from maskery.encode.options import Options
from maskery.encode.outlines import Polygon, outlines
from maskery.encode.polygons import GRID, made
from maskery.encode.provenance import provenance
from maskery.encode.summary import colour_text
from maskery.result import ForegroundResult, SemanticResult


def encode_geojson(result: SemanticResult | ForegroundResult, options: Options) -> bytes:
    """UTF-8 JSON. Rings are closed and turn as the RFC asks, in (x, y) as written; y points down nevertheless.

    Coordinates are pixels, not degrees: a reader must not place them on the earth. The foreign members ``coordinates``
    and ``provenance`` say so and where they come from.
    """
    semantic, found = as_semantic(result), outlines(result, options)
    return msgspec.json.encode(
        {
            "type": "FeatureCollection",
            "coordinates": GRID,
            **made(options, found),
            "provenance": provenance(result),
            "features": [_feature(polygon, semantic) for polygon in found.polygons],
        }
    )


def _feature(polygon: Polygon, result: SemanticResult) -> dict[str, Any]:
    closed = [[*ring, ring[0]] for ring in (ring.tolist() for ring in polygon.rings)]
    return {
        "type": "Feature",
        "bbox": list(polygon.box_xyxy),
        "properties": {
            "id": polygon.id,
            "name": result.labels[polygon.id],
            "color": colour_text(result.palette[polygon.id]),
            "pixels": polygon.pixels,
        },
        "geometry": {"type": "Polygon", "coordinates": closed},
    }
