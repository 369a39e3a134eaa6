"""The classes as polygons with holes: our own JSON, and GeoJSON (RFC 7946) in pixel coordinates."""

from itertools import groupby
from typing import Any

import msgspec

from maskery.core.result.capabilities import HasClassMap
from maskery.core.result.meta import Meta
from maskery.encode.format import JSON, MASKS, Encoder, FileType
from maskery.encode.options import Options
from maskery.encode.provenance import head, provenance
from maskery.encode.text import hex_colour
from maskery.encode.vector.outlines import OUTLINE_OPTIONS, Polygon, made, outlines

GRID = (
    "pixels: x to the right, y down; (0, 0) is the left upper corner of the first pixel, "
    "(width, height) the right lower corner of the last"
)


def encode_polygons(result: HasClassMap, options: Options) -> bytes:
    """UTF-8 JSON: ``document``."""
    return msgspec.json.encode(document(result, options))


def document(result: HasClassMap, options: Options) -> dict[str, Any]:
    """Provenance, how the polygons were made, and by class its polygons, each with ``exterior`` and ``holes``."""
    found = outlines(result, options)
    width, height = result.meta.frame.size_wh
    return head(result) | {
        "size": {"width": width, "height": height},
        "coordinates": GRID,
        **made(options, found),
        "classes": [
            {
                "id": number,
                "name": result.meta.labels[number],
                "color": hex_colour(result.meta.palette[number]),
                "polygons": [_polygon(polygon) for polygon in polygons],
            }
            for number, polygons in groupby(found.polygons, key=lambda polygon: polygon.id)
        ],
    }


def _polygon(polygon: Polygon) -> dict[str, Any]:
    exterior, *holes = (ring.tolist() for ring in polygon.rings)
    return {"pixels": polygon.pixels, "box": list(polygon.box_xyxy), "exterior": exterior, "holes": holes}


def encode_geojson(result: HasClassMap, options: Options) -> bytes:
    """UTF-8 JSON. Rings are closed and turn as the RFC asks, in (x, y) as written; y points down nevertheless.

    Coordinates are pixels, not degrees: a reader must not place them on the earth. The foreign members ``coordinates``
    and ``provenance`` say so and where they come from.
    """
    found = outlines(result, options)
    return msgspec.json.encode(
        {
            "type": "FeatureCollection",
            "coordinates": GRID,
            **made(options, found),
            "provenance": provenance(result.meta),
            "features": [_feature(polygon, result.meta) for polygon in found.polygons],
        }
    )


def _feature(polygon: Polygon, meta: Meta) -> dict[str, Any]:
    closed = [[*ring, ring[0]] for ring in (ring.tolist() for ring in polygon.rings)]
    return {
        "type": "Feature",
        "bbox": list(polygon.box_xyxy),
        "properties": {
            "id": polygon.id,
            "name": meta.labels[polygon.id],
            "color": hex_colour(meta.palette[polygon.id]),
            "pixels": polygon.pixels,
        },
        "geometry": {"type": "Polygon", "coordinates": closed},
    }


POLYGONS = Encoder(name="polygons", file=JSON, needs=MASKS, function=encode_polygons, options=OUTLINE_OPTIONS)
GEOJSON = Encoder(
    name="geojson",
    file=FileType("application/geo+json", ".geojson"),
    needs=MASKS,
    function=encode_geojson,
    options=OUTLINE_OPTIONS,
)
