"""CVAT: masks as its SDK takes them, and a whole file in its XML format "CVAT for images 1.1"."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskery.core.result.capabilities import HasClassMap
from maskery.encode.format import MASKS, Encoder, FileType
from maskery.encode.options import Options, check_shape
from maskery.encode.provenance import provenance_text
from maskery.encode.selection import drawn, shown, without_small_pieces
from maskery.encode.text import hex_colour, xml_text
from maskery.encode.vector.outlines import SHAPE_OPTIONS, made, outlines, single_ring


def encode_cvat(result: HasClassMap, options: Options) -> bytes:
    """UTF-8 XML. By ``options.shape``: one mask a class; or one polygon, or one box, a piece.

    CVAT's polygons know no holes: they are joined to the outline by cuts of no width.
    """
    check_shape(options)
    meta = result.meta
    width, height = meta.frame.size_wh
    shapes, way = _masks(result, options) if options.shape == "mask" else _outlined(result, options)
    labels = [
        f"<label><name>{xml_text(meta.labels[number])}</name><color>{hex_colour(meta.palette[number])}</color>"
        "<attributes></attributes></label>"
        for number in np.flatnonzero(drawn(result)[: len(meta.labels)]).tolist()
    ]
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        "<annotations>",
        "<version>1.1</version>",
        f"<meta><task><size>1</size><mode>annotation</mode><labels>{''.join(labels)}</labels></task>",
        f"<provenance>{xml_text(provenance_text(meta, way))}</provenance></meta>",
        f'<image id="0" name="{xml_text(options.file_name)}" width="{width}" height="{height}">',
        *shapes,
        "</image>",
        "</annotations>",
        "",
    ]
    return "\n".join(lines).encode()


def sdk_mask(mask: NDArray[np.bool_]) -> list[int]:
    """(H, W) -> what CVAT's SDK calls a mask: run lengths of the box, zeros first, row by row, and its corners.

    The corners are left, top, right, bottom, both inclusive. An empty mask has the box of the first pixel.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return [1, 0, 0, 0, 0]
    left, top, right, bottom = int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])
    return [*run_lengths(mask[top : bottom + 1, left : right + 1]), left, top, right, bottom]


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """(h, w) -> lengths of the runs of equal pixels, row by row; the first is of zeros, maybe 0."""
    flat = np.ascontiguousarray(mask).reshape(-1)
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(edges, prepend=0, append=flat.size).tolist()
    return [0, *lengths] if flat[0] else lengths


def _masks(result: HasClassMap, options: Options) -> tuple[list[str], dict[str, Any]]:
    kept, left_out = without_small_pieces(result, options.min_area)
    shapes = []
    for share in shown(kept):
        left, top, right, bottom = share.box_xyxy
        lengths = run_lengths(kept.class_map[top:bottom, left:right] == share.id)
        shapes.append(
            f'<mask label="{xml_text(share.name)}" source="auto" occluded="0" '
            f'rle="{", ".join(map(str, lengths))}" left="{left}" top="{top}" '
            f'width="{right - left}" height="{bottom - top}" z_order="0"></mask>'
        )
    return shapes, {"min_area": options.min_area, "left_out": left_out}


def _outlined(result: HasClassMap, options: Options) -> tuple[list[str], dict[str, Any]]:
    found, shapes = outlines(result, options), []
    for polygon in found.polygons:
        common = f'label="{xml_text(result.meta.labels[polygon.id])}" source="auto" occluded="0"'
        if options.shape == "box":
            left, top, right, bottom = polygon.box_xyxy
            shapes.append(f'<box {common} xtl="{left}" ytl="{top}" xbr="{right}" ybr="{bottom}" z_order="0"></box>')
        else:
            points = ";".join(f"{x},{y}" for x, y in single_ring(polygon).tolist())
            shapes.append(f'<polygon {common} points="{points}" z_order="0"></polygon>')
    return shapes, made(options, found)


CVAT = Encoder(
    name="cvat",
    file=FileType("application/xml", ".xml"),
    needs=MASKS,
    function=encode_cvat,
    options=SHAPE_OPTIONS,
)
