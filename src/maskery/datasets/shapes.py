"""Ways to write a mask, polygons, boxes, ellipses, bitmaps and run lengths -> pixels."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Mask
from maskery.core.errors import DataError

CROSSINGS_AT_MOST = 50_000_000  # of a polygon's edges with rows of pixels
BITS, MORE, SIGN, FIRST_CHARACTER = 5, 32, 16, 48  # of compressed run lengths


def polygons_mask(rings: Sequence[Sequence[float]], size_wh: tuple[int, int]) -> Mask:
    """(H, W): pixels whose centre is inside one of ``rings`` [x, y, x, y, ...]. Raises ``DataError``."""
    mask = np.zeros(size_wh[::-1], np.bool_)
    for ring in rings:
        if len(ring) % 2 or not all(map(math.isfinite, ring)):
            raise DataError(f"a polygon has {len(ring)} numbers", "It needs x and y of each point.")
        if len(ring) < 6:  # a point or a line, as a slip of the mouse leaves it: it has no area
            continue
        mask |= _filled(np.asarray(ring, np.float64).reshape(-1, 2), size_wh)
    return mask


def _filled(ring: NDArray[np.float64], size_wh: tuple[int, int]) -> Mask:
    """Every edge turns over all pixels to its right, row by row: inside are those that were turned an odd number."""
    width, height = size_wh
    here, there = ring, np.roll(ring, -1, axis=0)
    low, high = np.minimum(here[:, 1], there[:, 1]), np.maximum(here[:, 1], there[:, 1])
    first, last = (np.clip(np.ceil(y - 0.5), 0, height).astype(np.int64) for y in (low, high))
    counts = last - first
    if counts.sum() > CROSSINGS_AT_MOST:
        raise DataError(f"a polygon has {len(ring):,} points on {height:,} rows", "Simplify it.")
    edge = np.repeat(np.arange(len(ring)), counts)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    slope = (there[edge, 0] - here[edge, 0]) / (there[edge, 1] - here[edge, 1])
    x = here[edge, 0] + (row + 0.5 - here[edge, 1]) * slope
    turned = np.zeros((height, width + 1), np.bool_)
    np.logical_xor.at(turned, (row, np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)), True)
    filled: Mask = np.logical_xor.accumulate(turned, axis=1)[:, :width]
    return filled


def runs_mask(counts: Sequence[int], size_wh: tuple[int, int]) -> Mask:
    """(H, W) from lengths of runs, zeros first, column by column. Raises ``DataError`` where they do not fill it."""
    width, height = size_wh
    if sum(counts) != width * height or min(counts, default=0) < 0:
        raise DataError(f"run lengths add up to {sum(counts)}, not {width} x {height} pixels", "Write them again.")
    values = np.arange(len(counts)) % 2 == 1
    mask: Mask = np.repeat(values, np.asarray(counts, np.int64)).reshape(width, height).T
    return mask


def decompressed(text: str) -> list[int]:
    """COCO's text -> lengths of runs; the inverse of ``encode.annotations.coco.compressed``. Raises ``DataError``."""
    counts, value, shift = list[int](), 0, 0
    for character in text:
        digit = ord(character) - FIRST_CHARACTER
        if not 0 <= digit < 2 * MORE or shift > 60:
            raise DataError(f"run lengths have the character {character!r}", "Write them again.")
        value |= (digit & (MORE - 1)) << shift
        shift += BITS
        if not digit & MORE:
            value -= (1 << shift) if digit & SIGN else 0
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value, shift = 0, 0
    return counts


def turned_box(box_xyxy: Sequence[float], degrees: float, about_xy: tuple[float, float] | None = None) -> list[float]:
    """The corners [x, y, x, y, ...] of a box turned clockwise, about its centre where nothing else is said."""
    left, top, right, bottom = box_xyxy
    x, y = about_xy or ((left + right) / 2, (top + bottom) / 2)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    return [
        value for a, b in corners for value in (x + (a - x) * cos - (b - y) * sin, y + (a - x) * sin + (b - y) * cos)
    ]


def ellipse_mask(
    centre_xy: tuple[float, float], radii_xy: tuple[float, float], degrees: float, size_wh: tuple[int, int]
) -> Mask:
    """(H, W): pixels whose centre is inside an ellipse, turned clockwise about its centre. Raises ``DataError``."""
    if not all(map(math.isfinite, (*centre_xy, *radii_xy, degrees))):
        raise DataError("an ellipse has numbers that are not finite", "Correct it.")
    if min(radii_xy) <= 0:
        return np.zeros(size_wh[::-1], np.bool_)
    x = np.arange(size_wh[0])[None, :] + 0.5 - centre_xy[0]
    y = np.arange(size_wh[1])[:, None] + 0.5 - centre_xy[1]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    mask: Mask = ((x * cos + y * sin) / radii_xy[0]) ** 2 + ((y * cos - x * sin) / radii_xy[1]) ** 2 <= 1
    return mask


def placed_mask(part: Mask, origin_xy: tuple[int, int], size_wh: tuple[int, int]) -> Mask:
    """(H, W) with ``part`` (h, w) put where its upper left pixel lies; what is outside of the picture is cut off."""
    mask = np.zeros(size_wh[::-1], np.bool_)
    (left, top), (height, width) = origin_xy, part.shape
    into = mask[max(0, top) : max(0, top + height), max(0, left) : max(0, left + width)]
    into[:] = part[max(0, -top) :, max(0, -left) :][: into.shape[0], : into.shape[1]]
    return mask


CHANNELS = 4  # of Label Studio's brush: red, green, blue and alpha of a pixel


def brush_mask(rle: Sequence[int], size_wh: tuple[int, int]) -> Mask:
    """(H, W) from Label Studio's ``rle``, bytes of thi.ng's rle-pack; the inverse of
    ``encode.annotations.label_studio.brush_rle``. Raises ``DataError``.
    """
    try:
        bits = "".join(f"{byte:08b}" for byte in bytes(rle))
        count, word = int(bits[:32], 2), int(bits[32:37], 2) + 1
        sizes = [int(bits[start : start + 4], 2) + 1 for start in range(37, 53, 4)]
    except (ValueError, TypeError) as error:
        raise DataError(f"its run lengths cannot be read ({error})", "Export them again.") from error
    if count != CHANNELS * size_wh[0] * size_wh[1]:
        raise DataError(
            f"run lengths are of {count // CHANNELS} pixels, the picture has {size_wh}", "Export them again."
        )
    values, place, done = np.zeros(count, np.uint8), 53, 0
    try:
        while done < count:
            repeated, size = bits[place] == "1", sizes[int(bits[place + 1 : place + 3], 2)]
            length = int(bits[place + 3 : place + 3 + size], 2) + 1
            place += 3 + size
            words = 1 if repeated else length
            found = [int(bits[start : start + word], 2) for start in range(place, place + words * word, word)]
            values[done : done + length] = found
            place, done = place + words * word, done + length
    except (ValueError, IndexError) as error:
        raise DataError("its run lengths end early", "Export them again.") from error
    mask: Mask = values.reshape(size_wh[1], size_wh[0], CHANNELS)[..., -1] > 0
    return mask
