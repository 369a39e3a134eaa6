"""Label Studio: brush masks (thi.ng rle-pack over the mask's RGBA values), regions, and a task to import."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Integers
from maskery.core.result.capabilities import HasClassMap, HasInstances, Result, capable, expect
from maskery.core.result.instances import Instance
from maskery.encode.format import JSON, MASKS, OBJECTS, Encoder
from maskery.encode.object_facts import large_enough
from maskery.encode.options import Options, check_shape
from maskery.encode.provenance import provenance
from maskery.encode.selection import shown, without_small_pieces
from maskery.encode.vector.outlines import SHAPE_OPTIONS, Polygon, by_object, joined, made, outlines, single_ring

CHANNELS = 4  # the mask's value stands for red, green, blue and alpha of its pixel
BAND_PIXELS = 1 << 18
WORD_BITS = 8
# A run's length less one is written in one of four sizes.
SIZES = np.array([3, 4, 8, 16])
LONGEST_RUN = 1 << 16
HEAD_BITS = 3  # a flag and the index into SIZES


def brush_rle(mask: NDArray[np.bool_]) -> bytes:
    """(H, W) bool -> what Label Studio keeps in ``value.rle`` of a brush region, one byte a number.

    Byte for byte what Label Studio's own converter writes, with 255 for True. Works band by band: beside the mask and
    the answer it needs a few MB.
    """
    return _written(_runs(mask.reshape(-1)), mask.size)


def counts_rle(counts: Integers) -> bytes:
    """The same of a mask's run lengths, row by row, zeros first."""
    values = np.arange(len(counts)) % 2
    some = counts > 0
    return _written([(values[some], counts[some])], int(counts.sum()))


def _written(runs: Iterable[tuple[Integers, Integers]], pixels: int) -> bytes:
    stream = _BitStream()
    stream.write(np.array([CHANNELS * pixels]), np.array([32]))
    stream.write(np.array([WORD_BITS - 1]), np.array([5]))
    stream.write(SIZES - 1, np.full(len(SIZES), 4))
    for values, lengths in runs:
        stream.write(*_records(values, CHANNELS * lengths))
    return stream.finish()


def _runs(flat: NDArray[np.bool_]) -> Iterator[tuple[Integers, Integers]]:
    """(values 0 or 1, lengths) of the runs of ``flat``, in order; a run that crosses bands comes once, whole."""
    start = 0
    for first in range(0, len(flat), BAND_PIXELS):
        last = min(first + BAND_PIXELS, len(flat))
        seam = max(first, 1)
        ends = np.flatnonzero(flat[seam:last] != flat[seam - 1 : last - 1]) + seam
        if last == len(flat):
            ends = np.append(ends, last)
        if len(ends):
            yield flat[ends - 1].astype(np.int64), np.diff(ends, prepend=start)
            start = int(ends[-1])


def _records(values: Integers, lengths: Integers) -> tuple[Integers, Integers]:
    """Runs -> (bits as a number, count of bits) of their records. A run above ``LONGEST_RUN`` becomes several."""
    pieces = -(-lengths // LONGEST_RUN)
    owner = np.repeat(np.arange(len(lengths)), pieces)
    last = np.cumsum(pieces) - 1
    length = np.full(len(owner), LONGEST_RUN)
    length[last] = lengths - (pieces - 1) * LONGEST_RUN
    index = np.searchsorted(1 << SIZES, length)
    head = 0b100 | index
    bits = (head << SIZES[index] | (length - 1)) << WORD_BITS | 255 * values[owner]
    return bits, HEAD_BITS + SIZES[index] + WORD_BITS


class _BitStream:
    """Numbers of up to 32 bits, written one after another, highest bit first."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._open = 0  # bits of the last byte that are taken; 0 = all

    def write(self, numbers: Integers, counts: Integers) -> None:
        """Append each number with its count of bits."""
        ends = self._open + np.cumsum(counts)
        starts = ends - counts
        first_byte = starts >> 3
        # Each number within the five bytes that it can touch, then every byte of all numbers added up: bits are apart.
        window = numbers << (40 - counts - (starts & 7))
        packed = np.zeros(int(ends[-1] >> 3) + 6, np.uint8)
        for place in range(5):
            np.add.at(packed, first_byte + place, (window >> (32 - 8 * place) & 255).astype(np.uint8))
        if self._open:
            packed[0] |= self._bytes.pop()
        self._open = int(ends[-1] & 7)
        self._bytes += packed[: -(-int(ends[-1]) // 8)].tobytes()

    def finish(self) -> bytes:
        """All bytes. As the original does, a whole zero byte follows where the last one is full."""
        return bytes(self._bytes) if self._open else bytes(self._bytes) + b"\0"


Value = tuple[int, dict[str, Any]]  # class id and a region's ``value`` without its label
KINDS = {"mask": "brushlabels", "polygon": "polygonlabels", "box": "rectanglelabels"}


def encode_label_studio(result: Result, options: Options) -> bytes:
    """UTF-8 JSON: a list with one task, its picture ``options.file_name`` and one prediction with ``regions``.

    The names of the tags in the project's labelling configuration are ``options.from_name`` and ``options.to_name``;
    the picture is expected as ``$image``.
    """
    found, way = regions(result, options)
    prediction = {"model_version": f"{result.meta.model.name} {result.meta.model.version}", "result": found}
    task = {"data": {"image": options.file_name}, "meta": provenance(result.meta) | way, "predictions": [prediction]}
    return msgspec.json.encode([task])


def regions(result: Result, options: Options) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The items of a prediction's ``result``, and how they were made.

    By ``options.shape`` a brush mask a class, or a polygon or a box a piece; of single objects one region each, with
    its score, which is a box where there is no mask. Label Studio's polygons know no holes:
    they are joined to the outline by cuts of no width.
    """
    check_shape(options)
    if objects := capable(result, HasInstances):
        return _of_objects(objects, options)
    mapped = expect(result, HasClassMap)
    found, way = _brushes(mapped, options) if options.shape == "mask" else _outlined(mapped, options)
    kind = KINDS[options.shape]
    return [_item(number, (kind, *one), result, options) for number, one in enumerate(found, 1)], way


def _item(number: int, drawn: tuple[str, int, dict[str, Any]], result: Result, options: Options) -> dict[str, Any]:
    """``drawn``: kind of region, class, value."""
    (kind, class_id, value), (width, height) = drawn, result.meta.frame.size_wh
    return {
        "id": f"region-{number}",
        "from_name": options.from_name,
        "to_name": options.to_name,
        "type": kind,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "readonly": False,
        "value": value | {kind: [result.meta.labels[class_id]]},
    }


def _of_objects(result: HasInstances, options: Options) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    drawn: list[tuple[Instance, tuple[str, int, dict[str, Any]]]] = []
    size = result.meta.frame.size_wh
    if options.shape == "polygon":
        lines = outlines(result, options)
        way = made(options, lines)
        for one, pieces in by_object(lines.polygons):
            drawn.append((one, _polygon_region(one, pieces, size) if one.mask else _box_region(one, size)))
    else:
        kept, left_out = large_enough(result, options)
        way = {"min_area": options.min_area, "left_out": left_out}
        for one in kept:
            is_box = options.shape == "box" or one.mask is None
            drawn.append((one, _box_region(one, size) if is_box else _brush_region(one, size)))
    items = [
        _item(number, region, result, options) | {"score": round(one.score, 4)}
        for number, (one, region) in enumerate(drawn, 1)
    ]
    return items, way


def _brush_region(one: Instance, size_wh: tuple[int, int]) -> tuple[str, int, dict[str, Any]]:
    assert one.mask is not None, "objects without a mask are boxes"
    return KINDS["mask"], one.class_id, {"format": "rle", "rle": list(counts_rle(one.mask.counts_in(size_wh)))}


def _box_region(one: Instance, size_wh: tuple[int, int]) -> tuple[str, int, dict[str, Any]]:
    return KINDS["box"], one.class_id, _percent_box(one.box_xyxy, size_wh)


def _polygon_region(one: Instance, pieces: list[Polygon], size_wh: tuple[int, int]) -> tuple[str, int, dict[str, Any]]:
    points = (joined(pieces) * (100.0, 100.0) / size_wh).tolist()
    return KINDS["polygon"], one.class_id, {"points": points, "closed": True}


def _percent_box(box_xyxy: tuple[float, float, float, float], size_wh: tuple[int, int]) -> dict[str, Any]:
    """Coordinates are percent of width and height."""
    (width, height), (left, top, right, bottom) = size_wh, box_xyxy
    x, y = 100 * left / width, 100 * top / height
    size = {"width": 100 * (right - left) / width, "height": 100 * (bottom - top) / height}
    return {"x": x, "y": y, **size, "rotation": 0}


def _brushes(result: HasClassMap, options: Options) -> tuple[list[Value], dict[str, Any]]:
    kept, left_out = without_small_pieces(result, options.min_area)
    found: list[Value] = [
        (share.id, {"format": "rle", "rle": list(brush_rle(kept.class_map == share.id))}) for share in shown(kept)
    ]
    return found, {"min_area": options.min_area, "left_out": left_out}


def _outlined(result: HasClassMap, options: Options) -> tuple[list[Value], dict[str, Any]]:
    """Coordinates are percent of width and height."""
    width, height = result.meta.frame.size_wh
    lines, found = outlines(result, options), list[Value]()
    for polygon in lines.polygons:
        if options.shape == "box":
            found.append((polygon.id, _percent_box(polygon.box_xyxy, (width, height))))
        else:
            points = (single_ring(polygon) * (100.0, 100.0) / (width, height)).tolist()
            found.append((polygon.id, {"points": points, "closed": True}))
    return found, made(options, lines)


LABEL_STUDIO = Encoder(
    name="label-studio",
    file=JSON,
    needs=MASKS + OBJECTS,
    function=encode_label_studio,
    options=SHAPE_OPTIONS | {"from_name", "to_name"},
)
