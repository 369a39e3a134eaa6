"""The classes as polygons with holes, in our own JSON."""

from itertools import groupby
from typing import Any

import msgspec

from maskery.encode.mask import as_semantic
from maskery.encode.options import Options
from maskery.encode.outlines import Outlines, Polygon, outlines
from maskery.encode.summary import colour_text, head
from maskery.result import ForegroundResult, SemanticResult

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
