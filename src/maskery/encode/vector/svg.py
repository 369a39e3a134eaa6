"""The classes as an SVG drawing of the picture's size, one path a class."""

from itertools import groupby

from maskery.core.result.capabilities import HasClassMap
from maskery.encode.format import MASKS, Encoder, FileType
from maskery.encode.options import Options
from maskery.encode.provenance import provenance_text
from maskery.encode.text import hex_colour, xml_text
from maskery.encode.vector.outlines import OUTLINE_OPTIONS, Polygon, made, outlines


def encode_svg(result: HasClassMap, options: Options) -> bytes:
    """UTF-8 SVG. A path has the class's name as title and its id as ``data-id``; background is left empty."""
    found, meta = outlines(result, options), result.meta
    width, height = meta.frame.size_wh
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" shape-rendering="crispEdges">',
        f"<metadata>{xml_text(provenance_text(meta, made(options, found)))}</metadata>",
    ]
    for number, polygons in groupby(found.polygons, key=lambda polygon: polygon.id):
        title = xml_text(meta.labels[number])
        colour = hex_colour(meta.palette[number])
        outline = "".join(_path(polygon) for polygon in polygons)
        lines.append(
            f'<path data-id="{number}" fill="{colour}" fill-rule="evenodd" d="{outline}"><title>{title}</title></path>'
        )
    return "\n".join([*lines, "</svg>", ""]).encode()


def _path(polygon: Polygon) -> str:
    return "".join("M" + " ".join(map(str, ring.reshape(-1).tolist())) + "z" for ring in polygon.rings)


SVG = Encoder(
    name="svg", file=FileType("image/svg+xml", ".svg"), needs=MASKS, function=encode_svg, options=OUTLINE_OPTIONS
)
