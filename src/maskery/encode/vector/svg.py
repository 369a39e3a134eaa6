"""The classes as an SVG drawing of the picture's size, one path a class."""

from itertools import groupby

from maskery.core.result.types import ForegroundResult, SemanticResult
from maskery.encode.annotations.cvat import safe
from maskery.encode.json import colour_text
from maskery.encode.options import Options
from maskery.encode.provenance import provenance_text
from maskery.encode.raster.mask import as_semantic
from maskery.encode.vector.outlines import Polygon, outlines
from maskery.encode.vector.polygons import made


def encode_svg(result: SemanticResult | ForegroundResult, options: Options) -> bytes:
    """UTF-8 SVG. A path has the class's name as title and its id as ``data-id``; background is left empty."""
    semantic, found = as_semantic(result), outlines(result, options)
    width, height = result.frame.size_wh
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" shape-rendering="crispEdges">',
        f"<metadata>{safe(provenance_text(result, made(options, found)))}</metadata>",
    ]
    for number, polygons in groupby(found.polygons, key=lambda polygon: polygon.id):
        title = safe(semantic.labels[number])
        colour = colour_text(semantic.palette[number])
        outline = "".join(_path(polygon) for polygon in polygons)
        lines.append(
            f'<path data-id="{number}" fill="{colour}" fill-rule="evenodd" d="{outline}"><title>{title}</title></path>'
        )
    return "\n".join([*lines, "</svg>", ""]).encode()


def _path(polygon: Polygon) -> str:
    return "".join("M" + " ".join(map(str, ring.reshape(-1).tolist())) + "z" for ring in polygon.rings)
