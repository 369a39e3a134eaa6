"""A LabelMe file: one polygon shape a piece of a class or an object, a rectangle for an object without mask."""

from typing import Any

import msgspec

from maskery.core.result.capabilities import Result
from maskery.encode.format import JSON, MASKS, OBJECTS, Encoder
from maskery.encode.options import Options
from maskery.encode.provenance import provenance
from maskery.encode.vector.outlines import OUTLINE_OPTIONS, Polygon, made, outlines, single_ring

VERSION = "5.5.0"  # of LabelMe, whose keys these are


def encode_labelme(result: Result, options: Options) -> bytes:
    """UTF-8 JSON without the picture (``imageData`` null): it must lie beside the file as ``options.file_name``.

    LabelMe knows no holes: they are joined to the outline by cuts of no width. It keeps ``provenance`` when it saves.
    Pieces of one object have its number as ``group_id``, and its score in the description.
    """
    found, meta = outlines(result, options), result.meta
    width, height = meta.frame.size_wh
    return msgspec.json.encode(
        {
            "version": VERSION,
            "flags": {},
            "shapes": [_shape(polygon, meta.labels[polygon.id]) for polygon in found.polygons],
            "imagePath": options.file_name,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
            "provenance": provenance(meta) | made(options, found),
        }
    )


def _shape(polygon: Polygon, label: str) -> dict[str, Any]:
    one = polygon.instance
    is_box = one is not None and one.mask is None
    points = polygon.rings[0][[0, 2]] if is_box else single_ring(polygon)
    return {
        "label": label,
        "points": points.astype(float).tolist(),
        "group_id": one.id if one else None,
        "description": f"score {one.score:.4f}" if one else "",
        "shape_type": "rectangle" if is_box else "polygon",
        "flags": {},
        "mask": None,
    }


LABELME = Encoder(
    name="labelme", file=JSON, needs=MASKS + OBJECTS, function=encode_labelme, options=OUTLINE_OPTIONS | {"file_name"}
)
