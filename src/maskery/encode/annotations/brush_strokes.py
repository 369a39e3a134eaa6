"""Brush strokes as Label Studio sends them (thi.ng rle-pack) -> some places along them.

``label_studio.brush_rle`` writes the same form. Only its runs are read; the picture is never drawn.
"""

import numpy as np

from maskery.core.arrays import Integers
from maskery.core.errors import BadRequest
from maskery.encode.annotations.label_studio import CHANNELS, WORD_BITS

LONGEST = 1 << 18
"""Bytes of one stroke."""
HEAD = 32 + 5 + 4 * 4
"""Bits before the records: the number of values, the size of one, four sizes of run lengths."""
_CURE = "Draw the stroke again, with a smaller brush."


def stroke_places(data: bytes, size_wh: tuple[int, int], most: int) -> list[tuple[float, float]]:
    """At most ``most`` places, evenly over what was painted, in pixels of a picture of ``size_wh``.

    Raises ``BadRequest`` for what is no stroke of such a picture, and for one of more than ``LONGEST`` bytes.
    """
    width, height = size_wh
    if len(data) > LONGEST or 8 * len(data) < HEAD:
        raise BadRequest(f"The brush stroke has {len(data):,} bytes.", _CURE)
    begins, lengths = _painted("".join(f"{byte:08b}" for byte in data), CHANNELS * width * height)
    pixels = np.maximum(lengths // CHANNELS, 1)
    total = int(pixels.sum())
    ranks = ((np.arange(min(most, total)) + 0.5) * (total / max(1, min(most, total)))).astype(np.int64)
    ends = np.cumsum(pixels)
    run = np.searchsorted(ends, ranks, side="right")
    places = begins[run] // CHANNELS + ranks - (ends - pixels)[run]
    return [(int(place % width) + 0.5, int(place // width) + 0.5) for place in places]


def _painted(bits: str, expected: int) -> tuple[Integers, Integers]:
    """The first value and the number of values of each run of painted ones."""
    total, sizes = int(bits[:32], 2), [int(bits[37 + 4 * i : 41 + 4 * i], 2) + 1 for i in range(4)]
    if total != expected or int(bits[32:37], 2) + 1 != WORD_BITS:
        raise BadRequest("The brush stroke is of a picture of another size.", _CURE)
    place, value, runs = HEAD, 0, []
    while value < total:
        size = sizes[int(bits[place + 1 : place + 3] or "0", 2)]
        body = place + 3 + size
        length = int(bits[place + 3 : body] or "0", 2) + 1
        one_value = bits[place : place + 1] == "1"
        place = body + WORD_BITS * (1 if one_value else length)
        if place > len(bits):
            raise BadRequest("The brush stroke is cut off.", _CURE)
        if one_value:
            if "1" in bits[body:place]:
                runs.append((value, length))
        else:
            words = (bits[body + WORD_BITS * i : body + WORD_BITS * (i + 1)] for i in range(length))
            runs += [(value + i, 1) for i, word in enumerate(words) if "1" in word and (value + i) % CHANNELS == 3]
        value += length
    found = np.array(runs, np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]
