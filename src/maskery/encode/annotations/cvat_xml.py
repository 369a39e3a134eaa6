"""CVAT: masks as its SDK takes them, and a whole file in its XML format "CVAT for images 1.1"."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Integers
from maskery.core.result.capabilities import HasClasses, HasClassMap, HasInstances, Result, capable, expect
from maskery.core.result.instances import Instance
from maskery.encode.format import MASKS, OBJECTS, Encoder, FileType
from maskery.encode.object_facts import large_enough
from maskery.encode.options import Options, check_shape
from maskery.encode.provenance import provenance_text
from maskery.encode.selection import drawn, shown, without_small_pieces
from maskery.encode.text import hex_colour, xml_text
from maskery.encode.vector.outlines import SHAPE_OPTIONS, by_object, made, outlines, single_ring


def encode_cvat(result: Result, options: Options) -> bytes:
    """UTF-8 XML. By ``options.shape``: one mask a class; or one polygon, or one box, a piece. Of single objects one
    mask or one box each, or a polygon a piece, those of one object with a ``group_id`` in common.

    CVAT's polygons know no holes: they are joined to the outline by cuts of no width.
    """
    check_shape(options)
    meta = result.meta
    width, height = meta.frame.size_wh
    shapes, way = _shapes(result, options)
    labels = [
        f"<label><name>{xml_text(meta.labels[number])}</name><color>{hex_colour(meta.palette[number])}</color>"
        "<attributes></attributes></label>"
        for number in _label_ids(result)
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


def _label_ids(result: Result) -> list[int]:
    """The classes that the task has: all but the background, unless that was chosen."""
    if mapped := capable(result, HasClasses):
        chosen: list[int] = np.flatnonzero(drawn(mapped)[: len(result.meta.labels)]).tolist()
        return chosen
    return [number for number in range(len(result.meta.labels)) if number != result.meta.background]


def _shapes(result: Result, options: Options) -> tuple[list[str], dict[str, Any]]:
    """The lines of the picture's shapes, and how they were made."""
    objects = capable(result, HasInstances)
    if options.shape == "polygon":
        return _objects_outlined(objects, options) if objects else _outlined(expect(result, HasClassMap), options)
    if objects:
        kept, left_out = large_enough(objects, options)
        return [_object(one, result, options) for one in kept], {"min_area": options.min_area, "left_out": left_out}
    mapped = expect(result, HasClassMap)
    return _masks(mapped, options) if options.shape == "mask" else _outlined(mapped, options)


def _object(one: Instance, result: Result, options: Options) -> str:
    """One mask; one box where boxes are asked for, or there is no mask."""
    label = xml_text(result.meta.labels[one.class_id])
    if one.mask is None or options.shape == "box":
        return _box(label, one.box_xyxy)
    (left, top), (width, height) = one.mask.left_top, one.mask.size_wh
    return _mask(label, one.mask.counts.tolist(), (left, top, width, height))


def _objects_outlined(result: HasInstances, options: Options) -> tuple[list[str], dict[str, Any]]:
    found, shapes = outlines(result, options), []
    for one, pieces in by_object(found.polygons):
        label = xml_text(result.meta.labels[one.class_id])
        group = f' group_id="{one.id}"' if len(pieces) > 1 else ""
        shapes += (
            [_polygon(label, single_ring(piece), group) for piece in pieces]
            if one.mask
            else [_box(label, one.box_xyxy)]
        )
    return shapes, made(options, found)


def _mask(label: str, lengths: list[int], place: tuple[int, int, int, int]) -> str:
    """``label``: as XML text; ``place``: left, top, width, height of the runs."""
    left, top, width, height = place
    return (
        f'<mask label="{label}" source="auto" occluded="0" '
        f'rle="{", ".join(map(str, lengths))}" left="{left}" top="{top}" '
        f'width="{width}" height="{height}" z_order="0"></mask>'
    )


def _box(label: str, box_xyxy: tuple[float, float, float, float]) -> str:
    left, top, right, bottom = box_xyxy
    corners = f'xtl="{left}" ytl="{top}" xbr="{right}" ybr="{bottom}"'
    return f'<box label="{label}" source="auto" occluded="0" {corners} z_order="0"></box>'


def _polygon(label: str, ring: Integers, group: str = "") -> str:
    points = ";".join(f"{x},{y}" for x, y in ring.tolist())
    return f'<polygon label="{label}" source="auto" occluded="0" points="{points}" z_order="0"{group}></polygon>'


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
        shapes.append(_mask(xml_text(share.name), lengths, (left, top, right - left, bottom - top)))
    return shapes, {"min_area": options.min_area, "left_out": left_out}


def _outlined(result: HasClassMap, options: Options) -> tuple[list[str], dict[str, Any]]:
    found, shapes = outlines(result, options), []
    for polygon in found.polygons:
        label = xml_text(result.meta.labels[polygon.id])
        is_box = options.shape == "box"
        shapes.append(_box(label, polygon.box_xyxy) if is_box else _polygon(label, single_ring(polygon)))
    return shapes, made(options, found)


CVAT = Encoder(
    name="cvat",
    file=FileType("application/xml", ".xml"),
    needs=MASKS + OBJECTS,
    function=encode_cvat,
    options=SHAPE_OPTIONS,
)
