"""YOLO's labels: a line an object, or a piece of a class; points where there are masks, else a box."""

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Integers
from maskery.core.result.capabilities import HasInstances, Result, has
from maskery.core.result.instances import Instance
from maskery.encode.format import MASKS, OBJECTS, Encoder, FileType
from maskery.encode.options import Options
from maskery.encode.vector.outlines import OUTLINE_OPTIONS, by_object, joined, outlines, single_ring


def encode_yolo(result: Result, options: Options) -> bytes:
    """ASCII text: ``class x y x y ...``, points as shares of width and height, 0 to 1.

    An object has one line, its pieces joined by cuts of no width; one without a mask ``class x y width height``, x and
    y of the middle of its box.

    The class number is the id of the model, so a data set's ``names`` are the model's labels. YOLO knows no holes: they
    are joined to the outline by cuts of no width. It has no place for provenance either.
    """
    size = np.array(result.meta.frame.size_wh)
    polygons = outlines(result, options).polygons
    if has(result, HasInstances):
        lines = [
            _line(one.class_id, joined(pieces) / size if one.mask else _box(one, size))
            for one, pieces in by_object(polygons)
        ]
    else:
        lines = [_line(polygon.id, single_ring(polygon) / size) for polygon in polygons]
    return "".join(lines).encode("ascii")


def _box(one: Instance, size_wh: Integers) -> NDArray[np.float64]:
    """(2, 2): middle and size, as shares."""
    corners = np.clip(np.reshape(one.box_xyxy, (2, 2)) / size_wh, 0, 1)
    return np.stack([corners.mean(0), corners[1] - corners[0]])


def _line(number: int, shares: NDArray[np.float64]) -> str:
    return f"{number}" + " %.7g" * shares.size % tuple(shares.reshape(-1).tolist()) + "\n"


YOLO = Encoder(
    name="yolo",
    file=FileType("text/plain", ".txt"),
    needs=MASKS + OBJECTS,
    function=encode_yolo,
    options=OUTLINE_OPTIONS,
)
