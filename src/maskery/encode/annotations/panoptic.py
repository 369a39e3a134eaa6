"""COCO's panoptic form: a PNG whose colours are the ids of segments, and the JSON that says what each of them is."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Ids
from maskery.core.picture.rows import rebanded, steps
from maskery.core.result.capabilities import HasClasses, HasInstances, capable
from maskery.core.result.counts import occurrences
from maskery.core.result.instances import painted
from maskery.encode.format import JSON, OBJECTS, PNG, Encoder
from maskery.encode.object_facts import facts
from maskery.encode.options import Options
from maskery.encode.provenance import SOFTWARE, png_text, provenance
from maskery.encode.raster import png


@dataclass(frozen=True)
class SegmentMap:
    """``ids``: (H, W), the segment of each pixel, 0 = void. ``stuff``: segment -> class of those that are no object.

    The id of an object is its place in the result, from 1; stuff follows.
    """

    ids: Ids
    stuff: dict[int, int]


def segments(result: HasInstances) -> SegmentMap:
    """Every pixel belongs to the surest object that has it; else, where the result has classes too, to its class.

    Background and pixels of no class are void. An object that lies wholly below others has no pixels.
    """
    ids: Ids = painted(result.instances, result.meta.frame.size_wh)
    mapped = capable(result, HasClasses)
    if mapped is None:
        return SegmentMap(ids, {})
    first = len(result.instances) + 1
    things = {one.class_id for one in result.instances}
    chosen = [one.id for one in mapped.classes if one.id not in things and one.id != result.meta.background]
    table = np.zeros(mapped.unlabelled + 1, np.uint32)
    table[chosen] = np.arange(first, first + len(chosen))
    wide = ids.astype(np.uint32)
    top = 0
    for band in mapped.rows():
        own = wide[top : top + len(band)]
        np.copyto(own, table[band], where=own == 0)
        top += len(band)
    return SegmentMap(wide, {first + place: number for place, number in enumerate(chosen)})


def encode_panoptic(result: HasInstances) -> bytes:
    """PNG bytes, RGB: id = red + 256 * green + 65536 * blue; 0 = void."""
    size = result.meta.frame.size_wh
    return png.flat_colours(_colours(segments(result).ids), size, png_text(result.meta))


def _colours(ids: Ids) -> Iterator[NDArray[np.uint8]]:
    height = png.band_rows(3 * ids.shape[1])
    for band in rebanded([ids], (stop - start for start, stop in steps(len(ids), height))):
        yield np.stack([band & 255, band >> 8 & 255, band.astype(np.uint32) >> 16], 2).astype(np.uint8)


def encode_panoptic_json(result: HasInstances, options: Options) -> bytes:
    """UTF-8 JSON: COCO's panoptic file of one picture, whose PNG is the format ``panoptic`` of the same result.

    Of each segment: ``id``, ``category_id``, ``area`` and ``bbox`` [x, y, w, h] of what is to be seen of it; and the
    ``score`` of objects. Objects that lie wholly below others are in ``hidden``.
    """
    meta, found = result.meta, segments(result)
    width, height = meta.frame.size_wh
    seen = [one for one in occurrences(found.ids) if one.id]
    visible = {one.id for one in seen}
    described: list[dict[str, Any]] = []
    for one in seen:
        left, top, right, bottom = one.box_xyxy
        own = {"id": one.id, "area": one.pixels, "bbox": [left, top, right - left, bottom - top], "iscrowd": 0}
        if one.id in found.stuff:
            described.append(own | {"category_id": found.stuff[one.id], "isthing": 0})
        else:
            thing = result.instances[one.id - 1]
            described.append(own | {"category_id": thing.class_id, "isthing": 1, "score": round(thing.score, 4)})
    hidden = [facts(one, meta) for place, one in enumerate(result.instances, 1) if place not in visible]
    name = f"{PurePosixPath(options.file_name).stem}.png"
    stuff = set(found.stuff.values())
    return msgspec.json.encode(
        {
            "info": {
                "description": f"Segmentation by {meta.model.name} {meta.model.version}",
                "version": meta.model.version,
                "contributor": SOFTWARE,
                "provenance": provenance(meta),
            },
            "licenses": [],
            "images": [{"id": 1, "file_name": options.file_name, "width": width, "height": height}],
            "annotations": [{"image_id": 1, "file_name": name, "segments_info": described}],
            "categories": [
                {"id": number, "name": label, "supercategory": "", "isthing": int(number not in stuff)}
                for number, label in enumerate(meta.labels)
                if number != meta.background
            ],
            "hidden": hidden,
        }
    )


PANOPTIC = Encoder(name="panoptic", file=PNG, needs=OBJECTS, function=encode_panoptic, held=4.5)
PANOPTIC_JSON = Encoder(
    name="panoptic-json",
    file=JSON,
    needs=OBJECTS,
    function=encode_panoptic_json,
    options=frozenset({"file_name"}),
    held=7.0,
)
