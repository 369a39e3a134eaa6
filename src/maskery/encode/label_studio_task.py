"""The classes as regions of Label Studio, and a task with them to import."""

from typing import Any

import msgspec

from maskery.encode.chosen import shown, without_small_pieces
from maskery.encode.cut import single_ring
from maskery.encode.label_studio import brush_rle
from maskery.encode.mask import as_semantic
from maskery.encode.options import Options, check_shape
from maskery.encode.outlines import outlines
from maskery.encode.polygons import made
from maskery.encode.provenance import provenance
from maskery.result import ForegroundResult, SemanticResult

Value = tuple[int, dict[str, Any]]  # class id and a region's ``value`` without its label
KINDS = {"mask": "brushlabels", "polygon": "polygonlabels", "box": "rectanglelabels"}


def encode_label_studio(result: SemanticResult | ForegroundResult, options: Options) -> bytes:
    """UTF-8 JSON: a list with one task, its picture ``options.file_name`` and one prediction with ``regions``.

    The names of the tags in the project's labelling configuration are ``options.from_name`` and ``options.to_name``;
    the picture is expected as ``$image``.
    """
    found, way = regions(result, options)
    prediction = {"model_version": f"{result.model.name} {result.model.version}", "result": found}
    task = {"data": {"image": options.file_name}, "meta": provenance(result) | way, "predictions": [prediction]}
    return msgspec.json.encode([task])


def regions(result: SemanticResult | ForegroundResult, options: Options) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The items of a prediction's ``result``, and how they were made.

    By ``options.shape`` a brush mask a class, or a polygon or a box a piece. Label Studio's polygons know no holes:
    they are joined to the outline by cuts of no width.
    """
    check_shape(options)
    semantic = as_semantic(result)
    found, way = _brushes(semantic, options) if options.shape == "mask" else _outlined(semantic, options)
    width, height = result.frame.size_wh
    kind = KINDS[options.shape]
    items = [
        {
            "id": f"region-{number + 1}",
            "from_name": options.from_name,
            "to_name": options.to_name,
            "type": kind,
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "readonly": False,
            "value": value | {kind: [semantic.labels[class_id]]},
        }
        for number, (class_id, value) in enumerate(found)
    ]
    return items, way


def _brushes(result: SemanticResult, options: Options) -> tuple[list[Value], dict[str, Any]]:
    kept, left_out = without_small_pieces(result, options.min_area)
    found: list[Value] = [
        (share.id, {"format": "rle", "rle": list(brush_rle(kept.class_map == share.id))}) for share in shown(kept)
    ]
    return found, {"min_area": options.min_area, "left_out": left_out}


def _outlined(result: SemanticResult, options: Options) -> tuple[list[Value], dict[str, Any]]:
    """Coordinates are percent of width and height."""
    width, height = result.frame.size_wh
    lines, found = outlines(result, options), list[Value]()
    for polygon in lines.polygons:
        if options.shape == "box":
            left, top, right, bottom = polygon.box_xyxy
            x, y = 100 * left / width, 100 * top / height
            size = {"width": 100 * (right - left) / width, "height": 100 * (bottom - top) / height}
            found.append((polygon.id, {"x": x, "y": y, **size, "rotation": 0}))
        else:
            points = (single_ring(polygon) * (100.0, 100.0) / (width, height)).tolist()
            found.append((polygon.id, {"points": points, "closed": True}))
    return found, made(options, lines)
