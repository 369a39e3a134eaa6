"""COCO: run-length encoded masks alone, and as a whole COCO file of one picture."""

from itertools import groupby
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import ClassMap, Integers
from maskery.core.errors import BadRequest
from maskery.core.result.types import ClassShare, ForegroundResult, SemanticResult
from maskery.encode.json import colour_text, head
from maskery.encode.options import Options, check_shape
from maskery.encode.provenance import SOFTWARE, provenance
from maskery.encode.raster.mask import as_semantic
from maskery.encode.selection import drawn, shown, without_small_pieces
from maskery.encode.vector.outlines import outlines, single_ring
from maskery.encode.vector.polygons import made

BITS, MORE, FIRST_CHARACTER = 5, 32, 48  # of the compressed counts


def encode_coco_rle(result: SemanticResult | ForegroundResult, options: Options) -> bytes:
    """UTF-8 JSON: provenance and of every class but background its ``rle``, ``area`` and ``bbox`` [x, y, w, h].

    ``rle`` is what pycocotools decodes: ``size`` [height, width] and compressed ``counts``.
    """
    kept, left_out = without_small_pieces(as_semantic(result), options.min_area)
    masks = class_rles(kept.class_map)
    return msgspec.json.encode(
        head(result)
        | {
            "min_area": options.min_area,
            "left_out": left_out,
            "classes": [
                {
                    "id": share.id,
                    "name": share.name,
                    "color": colour_text(share.colour),
                    "area": share.pixels,
                    "bbox": _bbox(share),
                    "rle": masks[share.id],
                }
                for share in shown(kept)
            ],
        }
    )


def encode_coco(result: SemanticResult | ForegroundResult, options: Options) -> bytes:
    """UTF-8 JSON: a COCO file with one picture and one annotation a class (semantic masks do not part its instances).

    ``segmentation`` is run-length encoded or, with ``options.shape`` "polygon", a list of polygons whose holes are
    joined to the outline by cuts of no width. ``iscrowd`` is 0, as in COCO-Stuff: tools would skip crowds.
    Raises ``BadRequest`` for another shape.
    """
    if options.shape == "box":
        raise BadRequest("A COCO annotation is a mask or a polygon, not a box.", "Give shape=mask or shape=polygon.")
    check_shape(options)
    semantic = as_semantic(result)
    annotations, way = _by_polygons(semantic, options) if options.shape == "polygon" else _by_masks(semantic, options)
    width, height = result.frame.size_wh
    return msgspec.json.encode(
        {
            "info": {
                "description": f"Segmentation by {result.model.name} {result.model.version}",
                "version": result.model.version,
                "contributor": SOFTWARE,
                "provenance": provenance(result) | way,
            },
            "licenses": [],
            "images": [{"id": 1, "file_name": options.file_name, "width": width, "height": height}],
            "annotations": [{"id": i + 1, "image_id": 1} | found for i, found in enumerate(annotations)],
            "categories": [
                {"id": number, "name": semantic.labels[number], "supercategory": ""}
                for number in np.flatnonzero(drawn(semantic)[: len(semantic.labels)]).tolist()
            ],
        }
    )


def class_rles(class_map: ClassMap) -> dict[int, dict[str, Any]]:
    """By id that occurs: {"size": [height, width], "counts": compressed}, of all classes in one pass."""
    flat = class_map.reshape(-1, order="F")
    starts = np.append(0, np.flatnonzero(flat[1:] != flat[:-1]) + 1)
    stops, ids = np.append(starts[1:], flat.size), flat[starts]
    found = {}
    for number in np.unique(ids).tolist():
        own = ids == number
        edges = np.stack([starts[own], stops[own]], 1).reshape(-1)
        counts = np.diff(edges, prepend=0, append=flat.size)
        found[number] = {
            "size": list(class_map.shape),
            "counts": compressed(counts if counts[-1] else counts[:-1]),
        }
    return found


def compressed(counts: Integers) -> str:
    """Lengths of runs, zeros first -> COCO's text: each less the one before the last, five bits a character."""
    rest = counts.copy()
    rest[3:] -= counts[1:-2]
    characters, taken = [], []
    going_on = np.ones(len(rest), np.bool_)
    while going_on.any():
        low = rest & (MORE - 1)
        rest >>= BITS
        last = rest == -(low >> (BITS - 1))  # what is left is only the sign of what was written
        characters.append(low + np.where(last, 0, MORE) + FIRST_CHARACTER)
        taken.append(going_on)
        going_on = going_on & ~last
    text: NDArray[np.uint8] = np.stack(characters, 1)[np.stack(taken, 1)].astype(np.uint8)
    return text.tobytes().decode("ascii")


def _bbox(share: ClassShare) -> list[int]:
    left, top, right, bottom = share.box_xyxy
    return [left, top, right - left, bottom - top]


def _by_masks(result: SemanticResult, options: Options) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    kept, left_out = without_small_pieces(result, options.min_area)
    masks = class_rles(kept.class_map)
    found = [
        {"category_id": s.id, "segmentation": masks[s.id], "area": s.pixels, "bbox": _bbox(s), "iscrowd": 0}
        for s in shown(kept)
    ]
    return found, {"min_area": options.min_area, "left_out": left_out}


def _by_polygons(result: SemanticResult, options: Options) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    found, annotations = outlines(result, options), []
    for number, group in groupby(found.polygons, key=lambda polygon: polygon.id):
        polygons = list(group)
        boxes = np.array([polygon.box_xyxy for polygon in polygons])
        (left, top), (right, bottom) = boxes[:, :2].min(0).tolist(), boxes[:, 2:].max(0).tolist()
        annotations.append(
            {
                "category_id": number,
                "segmentation": [single_ring(polygon).reshape(-1).tolist() for polygon in polygons],
                "area": sum(polygon.pixels for polygon in polygons),
                "bbox": [left, top, right - left, bottom - top],
                "iscrowd": 0,
            }
        )
    return annotations, made(options, found)
