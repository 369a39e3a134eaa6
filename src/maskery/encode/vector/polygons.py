"""The classes as polygons with holes: our own JSON, and GeoJSON (RFC 7946) in pixel coordinates."""

from itertools import groupby
from typing import Any

import msgspec

from maskery.core.result.types import ForegroundResult, SemanticResult
from maskery.encode.json import colour_text, head
from maskery.encode.options import Options
from maskery.encode.provenance import provenance
from maskery.encode.raster.mask import as_semantic
from maskery.encode.vector.outlines import Outlines, Polygon, outlines

GRID = (
    "pixels: x to the right, y down; (0, 0) is the left upper corner of the first pixel, "
    "(width, height) the right lower corner of the last"
)


def encode_polygons(result: SemanticResult | ForegroundResult, options: Options) -> bytes:
    """UTF-8 JSON: ``document``."""
    return msgspec.json.encode(document(result, options))


def document(result: SemanticResult | ForegroundResult, options: Options) -> dict[str, Any]:
    """Provenance, how the polygons were made, and by class its polygons, each with ``exterior`` and ``holes``."""
    semantic, found = as_semantic(result), outlines(result, options)
    width, height = result.frame.size_wh
    return head(result) | {
        "size": {"width": width, "height": height},
        "coordinates": GRID,
        **made(options, found),
        "classes": [
            {
                "id": number,
                "name": semantic.labels[number],
                "color": colour_text(semantic.palette[number]),
                "polygons": [_polygon(polygon) for polygon in polygons],
            }
            for number, polygons in groupby(found.polygons, key=lambda polygon: polygon.id)
        ],
    }


def made(options: Options, found: Outlines) -> dict[str, Any]:
    """How outlines were made, as every format of ours says it."""
    return {
        "tolerance": options.tolerance,
        "gap_free": options.gap_free,
        "min_area": options.min_area,
        "left_out": {"pieces": found.left_out_pieces, "pixels": found.left_out_pixels},
    }


def _polygon(polygon: Polygon) -> dict[str, Any]:
    exterior, *holes = (ring.tolist() for ring in polygon.rings)
    return {"pixels": polygon.pixels, "box": list(polygon.box_xyxy), "exterior": exterior, "holes": holes}


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
