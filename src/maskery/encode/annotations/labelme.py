"""The classes as a LabelMe file, one polygon shape a piece."""

from typing import Any

import msgspec

from maskery.core.result.capabilities import HasClassMap
from maskery.encode.format import JSON, MASKS, Encoder
from maskery.encode.options import Options
from maskery.encode.provenance import provenance
from maskery.encode.vector.outlines import OUTLINE_OPTIONS, Polygon, made, outlines, single_ring

VERSION = "5.5.0"  # of LabelMe, whose keys these are


def encode_labelme(result: HasClassMap, options: Options) -> bytes:
    """UTF-8 JSON without the picture (``imageData`` null): it must lie beside the file as ``options.file_name``.

    LabelMe knows no holes: they are joined to the outline by cuts of no width. It keeps ``provenance`` when it saves.
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
    return {
        "label": label,
        "points": single_ring(polygon).astype(float).tolist(),
        "group_id": None,
        "description": "",
        "shape_type": "polygon",
        "flags": {},
        "mask": None,
    }


LABELME = Encoder(
    name="labelme", file=JSON, needs=MASKS, function=encode_labelme, options=OUTLINE_OPTIONS | {"file_name"}
)
