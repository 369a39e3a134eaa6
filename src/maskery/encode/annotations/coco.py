"""COCO: run-length encoded masks alone, and as a whole COCO file of one picture."""

from itertools import groupby
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import ClassMap
from maskery.core.errors import BadRequest
from maskery.core.result.capabilities import HasClassMap, HasInstances, Result, capable, expect
from maskery.core.result.instances import Instance
from maskery.core.result.meta import ClassShare
from maskery.encode.annotations.coco_counts import compressed, crop_rle
from maskery.encode.format import JSON, MASKS, OBJECTS, Encoder
from maskery.encode.object_facts import bbox, colour_of, facts, large_enough
from maskery.encode.options import Options, check_shape
from maskery.encode.provenance import SOFTWARE, head, provenance
from maskery.encode.selection import drawn, shown, without_small_pieces
from maskery.encode.text import hex_colour
from maskery.encode.vector.outlines import SHAPE_OPTIONS, Polygon, by_object, made, outlines, single_ring


def encode_coco_rle(result: Result, options: Options) -> bytes:
    """UTF-8 JSON: provenance and of every object, else of every class but background, its ``rle``, ``area`` and
    ``bbox`` [x, y, w, h].

    ``rle`` is what pycocotools decodes: ``size`` [height, width] and compressed ``counts``; null of an object without
    mask.
    """
    if objects := capable(result, HasInstances):
        found, left_out = _object_rles(objects, options)
    else:
        found, left_out = _class_rles(expect(result, HasClassMap), options)
    return msgspec.json.encode(head(result) | {"min_area": options.min_area, "left_out": left_out} | found)


def _class_rles(result: HasClassMap, options: Options) -> tuple[dict[str, Any], dict[str, Any]]:
    kept, left_out = without_small_pieces(result, options.min_area)
    masks = class_rles(kept.class_map)
    classes = [
        {
            "id": share.id,
            "name": share.name,
            "color": hex_colour(share.colour),
            "area": share.pixels,
            "bbox": _bbox(share),
            "rle": masks[share.id],
        }
        for share in shown(kept)
    ]
    return {"classes": classes}, left_out


def _object_rles(result: HasInstances, options: Options) -> tuple[dict[str, Any], dict[str, Any]]:
    kept, left_out = large_enough(result, options)
    objects = [
        facts(one, result.meta)
        | {
            "color": hex_colour(colour_of(one)),
            "area": one.area,
            "bbox": bbox(one),
            "rle": crop_rle(one.mask, result.meta.frame.size_wh) if one.mask else None,
        }
        for one in kept
    ]
    return {"objects": objects}, left_out


def encode_coco(result: Result, options: Options) -> bytes:
    """UTF-8 JSON: a COCO file with one picture and one annotation an object, of a class map one a class.

    ``segmentation`` is run-length encoded or, with ``options.shape`` "polygon", a list of polygons whose holes are
    joined to the outline by cuts of no width. ``iscrowd`` is 0, as in COCO-Stuff: tools would skip crowds.
    An object without a mask has an empty list there, as detectors write it. Raises ``BadRequest`` for another shape.
    """
    if options.shape == "box":
        raise BadRequest("A COCO annotation is a mask or a polygon, not a box.", "Give shape=mask or shape=polygon.")
    check_shape(options)
    annotations, way, categories = _annotated(result, options)
    meta = result.meta
    width, height = meta.frame.size_wh
    return msgspec.json.encode(
        {
            "info": {
                "description": f"Segmentation by {meta.model.name} {meta.model.version}",
                "version": meta.model.version,
                "contributor": SOFTWARE,
                "provenance": provenance(meta) | way,
            },
            "licenses": [],
            "images": [{"id": 1, "file_name": options.file_name, "width": width, "height": height}],
            "annotations": [{"id": i + 1, "image_id": 1} | found for i, found in enumerate(annotations)],
            "categories": [
                {"id": number, "name": meta.labels[number], "supercategory": ""}
                for number in np.flatnonzero(categories[: len(meta.labels)]).tolist()
            ],
        }
    )


Annotations = tuple[list[dict[str, Any]], dict[str, Any], NDArray[np.bool_]]


def _annotated(result: Result, options: Options) -> Annotations:
    """The annotations, how they were made, and by id the classes that count."""
    if objects := capable(result, HasInstances):
        return _by_objects(objects, options)
    mapped = expect(result, HasClassMap)
    found, way = (_by_polygons if options.shape == "polygon" else _by_masks)(mapped, options)
    return found, way, drawn(mapped)


def _by_objects(result: HasInstances, options: Options) -> Annotations:
    """Each object, in the order of the result."""
    size, labels = result.meta.frame.size_wh, result.meta.labels
    countable = np.array([number != result.meta.background for number in range(len(labels))])
    if options.shape == "polygon":
        found = outlines(result, options)
        outlined = [_object(one, _rings(one, pieces)) for one, pieces in by_object(found.polygons)]
        return outlined, made(options, found), countable
    kept, left_out = large_enough(result, options)
    masked = [_object(one, crop_rle(one.mask, size) if one.mask else []) for one in kept]
    return masked, {"min_area": options.min_area, "left_out": left_out}, countable


def _rings(one: Instance, pieces: list[Polygon]) -> list[list[int]]:
    return [single_ring(piece).reshape(-1).tolist() for piece in pieces] if one.mask else []


def _object(one: Instance, segmentation: object) -> dict[str, Any]:
    return {
        "category_id": one.class_id,
        "segmentation": segmentation,
        "area": one.area,
        "bbox": bbox(one),
        "score": round(one.score, 4),
        "iscrowd": 0,
    } | ({} if one.track_id is None else {"track_id": one.track_id})


def mask_rle(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """(H, W) bool -> {"size": [height, width], "counts": compressed}."""
    found = class_rles(mask.view(np.uint8))
    return found.get(1) or {"size": list(mask.shape), "counts": compressed(np.array([mask.size]))}


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


def _bbox(share: ClassShare) -> list[int]:
    left, top, right, bottom = share.box_xyxy
    return [left, top, right - left, bottom - top]


def _by_masks(result: HasClassMap, options: Options) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    kept, left_out = without_small_pieces(result, options.min_area)
    masks = class_rles(kept.class_map)
    found = [
        {"category_id": s.id, "segmentation": masks[s.id], "area": s.pixels, "bbox": _bbox(s), "iscrowd": 0}
        for s in shown(kept)
    ]
    return found, {"min_area": options.min_area, "left_out": left_out}


def _by_polygons(result: HasClassMap, options: Options) -> tuple[list[dict[str, Any]], dict[str, Any]]:
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


COCO = Encoder(name="coco", file=JSON, needs=MASKS + OBJECTS, function=encode_coco, options=SHAPE_OPTIONS)
COCO_RLE = Encoder(
    name="coco-rle", file=JSON, needs=MASKS + OBJECTS, function=encode_coco_rle, options=frozenset({"min_area"})
)
