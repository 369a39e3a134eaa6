"""The classes as YOLO's segmentation labels: a line a piece, class and points."""

import numpy as np

from maskery.core.result.capabilities import HasClassMap
from maskery.encode.format import MASKS, Encoder, FileType
from maskery.encode.options import Options
from maskery.encode.vector.outlines import OUTLINE_OPTIONS, Polygon, outlines, single_ring


def encode_yolo(result: HasClassMap, options: Options) -> bytes:
    """ASCII text: ``class x y x y ...``, points as shares of width and height, 0 to 1.

    The class number is the id of the model, so a data set's ``names`` are the model's labels. YOLO knows no holes: they
    are joined to the outline by cuts of no width. It has no place for provenance either.
    """
    size = np.array(result.meta.frame.size_wh)
    return "".join(_line(polygon, size) for polygon in outlines(result, options).polygons).encode("ascii")


def _line(polygon: Polygon, size_wh: np.ndarray) -> str:
    shares = (single_ring(polygon) / size_wh).reshape(-1)
    return f"{polygon.id}" + " %.7g" * len(shares) % tuple(shares.tolist()) + "\n"


YOLO = Encoder(
    name="yolo", file=FileType("text/plain", ".txt"), needs=MASKS, function=encode_yolo, options=OUTLINE_OPTIONS
)
