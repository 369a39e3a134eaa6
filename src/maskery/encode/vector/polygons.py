"""Classes or objects as polygons with holes: our own JSON, and GeoJSON (RFC 7946) in pixel coordinates."""

from itertools import groupby
from typing import Any

import msgspec

from maskery.core.result.capabilities import HasInstances, Result, has
from maskery.core.result.meta import Meta
from maskery.encode.format import JSON, MASKS, OBJECTS, Encoder, FileType
from maskery.encode.object_facts import colour_of, facts
from maskery.encode.options import Options
from maskery.encode.provenance import head, provenance
from maskery.encode.text import hex_colour
from maskery.encode.vector.outlines import OUTLINE_OPTIONS, Polygon, by_object, made, outlines

GRID = (
    "pixels: x to the right, y down; (0, 0) is the left upper corner of the first pixel, "
    "(width, height) the right lower corner of the last"
)


def encode_polygons(result: Result, options: Options) -> bytes:
    """UTF-8 JSON: ``document``."""
    return msgspec.json.encode(document(result, options))


def document(result: Result, options: Options) -> dict[str, Any]:
    """Provenance, how the polygons were made, and by object, else by class, its polygons, each with ``exterior`` and
    ``holes``.
    """
    found = outlines(result, options)
    width, height = result.meta.frame.size_wh
    listed = (_objects if has(result, HasInstances) else _classes)(found.polygons, result.meta)
    return head(result) | {
        "size": {"width": width, "height": height},
        "coordinates": GRID,
        **made(options, found),
        **listed,
    }


def _classes(polygons: list[Polygon], meta: Meta) -> dict[str, Any]:
    classes = [
        {
            "id": number,
            "name": meta.labels[number],
            "color": hex_colour(meta.palette[number]),
            "polygons": [_polygon(polygon) for polygon in own],
        }
        for number, own in groupby(polygons, key=lambda polygon: polygon.id)
    ]
    return {"classes": classes}


def _objects(polygons: list[Polygon], meta: Meta) -> dict[str, Any]:
    objects = [
        facts(one, meta)
        | {
            "color": hex_colour(colour_of(one)),
            "box": list(one.box_xyxy),
            "area": one.area,
            "polygons": [_polygon(piece) for piece in pieces],
        }
        for one, pieces in by_object(polygons)
    ]
    return {"objects": objects}


def _polygon(polygon: Polygon) -> dict[str, Any]:
    exterior, *holes = (ring.tolist() for ring in polygon.rings)
    return {"pixels": polygon.pixels, "box": list(polygon.box_xyxy), "exterior": exterior, "holes": holes}


def encode_geojson(result: Result, options: Options) -> bytes:
    """UTF-8 JSON. Rings are closed and turn as the RFC asks, in (x, y) as written; y points down nevertheless.

    A feature a piece; those of one object have its ``id`` in common. Coordinates are pixels, not degrees: a reader must
    not place them on the earth. The foreign members ``coordinates`` and ``provenance`` say so and where they come from.
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
    if one := polygon.instance:
        properties = facts(one, meta) | {"color": hex_colour(colour_of(one))}
    else:
        name, colour = meta.labels[polygon.id], hex_colour(meta.palette[polygon.id])
        properties = {"id": polygon.id, "name": name, "color": colour}
    return {
        "type": "Feature",
        "bbox": list(polygon.box_xyxy),
        "properties": properties | {"pixels": polygon.pixels},
        "geometry": {"type": "Polygon", "coordinates": closed},
    }


POLYGONS = Encoder(name="polygons", file=JSON, needs=MASKS + OBJECTS, function=encode_polygons, options=OUTLINE_OPTIONS)
GEOJSON = Encoder(
    name="geojson",
    file=FileType("application/geo+json", ".geojson"),
    needs=MASKS + OBJECTS,
    function=encode_geojson,
    options=OUTLINE_OPTIONS,
)
