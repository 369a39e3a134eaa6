"""Classes or objects as an SVG drawing of the picture's size, one path each."""

from collections.abc import Iterable
from itertools import groupby

from maskery.core.result.capabilities import HasInstances, Result, has
from maskery.core.result.meta import Meta
from maskery.encode.format import MASKS, OBJECTS, Encoder, FileType
from maskery.encode.object_facts import caption, colour_of
from maskery.encode.options import Options
from maskery.encode.provenance import provenance_text
from maskery.encode.text import hex_colour, xml_text
from maskery.encode.vector.outlines import OUTLINE_OPTIONS, Polygon, by_object, made, outlines


def encode_svg(result: Result, options: Options) -> bytes:
    """UTF-8 SVG. A path has the class's name as title and its id as ``data-id``; background is left empty.

    Of single objects each has a path, with its own ``data-id`` and ``data-class-id``, the surest drawn last.
    """
    found, meta = outlines(result, options), result.meta
    width, height = meta.frame.size_wh
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" shape-rendering="crispEdges">',
        f"<metadata>{xml_text(provenance_text(meta, made(options, found)))}</metadata>",
    ]
    lines += _objects(found.polygons, meta) if has(result, HasInstances) else _classes(found.polygons, meta)
    return "\n".join([*lines, "</svg>", ""]).encode()


def _classes(polygons: Iterable[Polygon], meta: Meta) -> list[str]:
    return [
        f'<path data-id="{number}" fill="{hex_colour(meta.palette[number])}" fill-rule="evenodd" d="{_outline(own)}">'
        f"<title>{xml_text(meta.labels[number])}</title></path>"
        for number, own in groupby(polygons, key=lambda polygon: polygon.id)
    ]


def _objects(polygons: Iterable[Polygon], meta: Meta) -> list[str]:
    return [
        f'<path data-id="{one.id}" data-class-id="{one.class_id}" data-score="{one.score:.4f}" '
        f'fill="{hex_colour(colour_of(one))}" fill-rule="evenodd" d="{_outline(pieces)}">'
        f"<title>{xml_text(caption(one, meta))}</title></path>"
        for one, pieces in reversed(by_object(polygons))
    ]


def _outline(polygons: Iterable[Polygon]) -> str:
    rings = (ring for polygon in polygons for ring in polygon.rings)
    return "".join("M" + " ".join(map(str, ring.reshape(-1).tolist())) + "z" for ring in rings)


SVG = Encoder(
    name="svg",
    file=FileType("image/svg+xml", ".svg"),
    needs=MASKS + OBJECTS,
    function=encode_svg,
    options=OUTLINE_OPTIONS,
)
