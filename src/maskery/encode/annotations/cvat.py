"""CVAT: masks as its SDK takes them, and a whole file in its XML format "CVAT for images 1.1"."""

import re
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from maskery.core.result.types import ForegroundResult, SemanticResult
from maskery.encode.json import colour_text
from maskery.encode.options import Options, check_shape
from maskery.encode.provenance import provenance_text
from maskery.encode.raster.mask import as_semantic
from maskery.encode.selection import drawn, shown, without_small_pieces
from maskery.encode.vector.outlines import outlines, single_ring
from maskery.encode.vector.polygons import made

# What XML 1.0 cannot hold, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def safe(text: str) -> str:
    """``text`` for an element or an attribute in double quotes; a character that XML forbids becomes U+FFFD."""
    return escape(_FORBIDDEN.sub("\ufffd", text), {'"': "&quot;", "\n": "&#10;", "\t": "&#9;", "\r": "&#13;"})


def encode_cvat(result: SemanticResult | ForegroundResult, options: Options) -> bytes:
    """UTF-8 XML. By ``options.shape``: one mask a class; or one polygon, or one box, a piece.

    CVAT's polygons know no holes: they are joined to the outline by cuts of no width.
    """
    check_shape(options)
    semantic = as_semantic(result)
    width, height = result.frame.size_wh
    shapes, way = _masks(semantic, options) if options.shape == "mask" else _outlined(semantic, options)
    labels = [
        f"<label><name>{safe(semantic.labels[number])}</name><color>{colour_text(semantic.palette[number])}</color>"
        "<attributes></attributes></label>"
        for number in np.flatnonzero(drawn(semantic)[: len(semantic.labels)]).tolist()
    ]
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        "<annotations>",
        "<version>1.1</version>",
        f"<meta><task><size>1</size><mode>annotation</mode><labels>{''.join(labels)}</labels></task>",
        f"<provenance>{safe(provenance_text(result, way))}</provenance></meta>",
        f'<image id="0" name="{safe(options.file_name)}" width="{width}" height="{height}">',
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


def _masks(result: SemanticResult, options: Options) -> tuple[list[str], dict[str, Any]]:
    kept, left_out = without_small_pieces(result, options.min_area)
    shapes = []
    for share in shown(kept):
        left, top, right, bottom = share.box_xyxy
        lengths = run_lengths(kept.class_map[top:bottom, left:right] == share.id)
        shapes.append(
            f'<mask label="{safe(share.name)}" source="auto" occluded="0" '
            f'rle="{", ".join(map(str, lengths))}" left="{left}" top="{top}" '
            f'width="{right - left}" height="{bottom - top}" z_order="0"></mask>'
        )
    return shapes, {"min_area": options.min_area, "left_out": left_out}


def _outlined(result: SemanticResult, options: Options) -> tuple[list[str], dict[str, Any]]:
    found, shapes = outlines(result, options), []
    for polygon in found.polygons:
        common = f'label="{safe(result.labels[polygon.id])}" source="auto" occluded="0"'
        if options.shape == "box":
            left, top, right, bottom = polygon.box_xyxy
            shapes.append(f'<box {common} xtl="{left}" ytl="{top}" xbr="{right}" ybr="{bottom}" z_order="0"></box>')
        else:
            points = ";".join(f"{x},{y}" for x, y in single_ring(polygon).tolist())
            shapes.append(f'<polygon {common} points="{points}" z_order="0"></polygon>')
    return shapes, made(options, found)
