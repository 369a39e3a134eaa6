"""What is drawn on a photo beside colours: names of objects on plates, and boxes; band by band, in constant memory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFont

from maskery.core.arrays import Pixels
from maskery.core.result.instances import Instance
from maskery.core.result.meta import Colour, Meta
from maskery.encode.object_facts import caption, colour_of

PLATE = 2  # pixels around a name
SMALLEST, LARGEST, SIDES = 11, 40, 48  # a name's height in pixels, and how many go into the shorter side


@dataclass(frozen=True)
class Mark:
    """A rectangle of one colour from ``left_top``, ``size_wh`` pixels, with a ``text`` on it unless that is empty."""

    left_top: tuple[int, int]
    size_wh: tuple[int, int]
    colour: Colour
    text: str = ""


def marks_of(instances: Sequence[Instance], meta: Meta) -> list[Mark]:
    """Boxes of the objects without mask, then the names of all, the surest last: it is to be read."""
    size_wh = meta.frame.size_wh
    frames = [line for one in reversed(instances) if one.mask is None for line in _frame(one, size_wh)]
    return [*frames, *(_plate(one, meta) for one in reversed(instances))]


def text_height(size_wh: tuple[int, int]) -> int:
    """Pixels, by the picture's size."""
    return min(max(SMALLEST, min(size_wh) // SIDES), LARGEST)


def paint(band: Pixels, top: int, marks: Iterable[Mark], height: int) -> None:
    """Draw what lies in the rows from ``top``, (h, W, 3), into ``band`` itself. ``height``: of names."""
    bottom, width = top + len(band), band.shape[1]
    for mark in marks:
        (left, upper), (across, down) = mark.left_top, mark.size_wh
        first, last, right = max(top, upper), min(bottom, upper + down), min(width, left + across)
        if first >= last or left >= right:
            continue
        window = band[first - top : last - top, left:right]
        window[:] = mark.colour
        if mark.text:
            _write(window, mark, first - upper, height)


def _write(window: Pixels, mark: Mark, skipped: int, height: int) -> None:
    """The text of a plate of which the first ``skipped`` rows are not in ``window``."""
    ink = np.zeros((mark.size_wh[1], mark.size_wh[0]), np.uint8)
    letters = _letters(mark.text, height)[: ink.shape[0] - PLATE, : ink.shape[1] - PLATE]
    ink[PLATE : PLATE + letters.shape[0], PLATE : PLATE + letters.shape[1]] = letters
    share = ink[skipped : skipped + len(window), : window.shape[1], None].astype(np.uint16)
    dark = 0.3 * mark.colour[0] + 0.59 * mark.colour[1] + 0.11 * mark.colour[2] > 140
    window[:] = (window * (255 - share) + (0 if dark else 255) * share) // 255


def _plate(one: Instance, meta: Meta) -> Mark:
    """Above the left upper corner of the object's box, moved so that it is inside of the picture."""
    (width, height), text = meta.frame.size_wh, caption(one, meta)
    letters = _letters(text, text_height((width, height)))
    size = (min(width, letters.shape[1] + 2 * PLATE), min(height, letters.shape[0] + 2 * PLATE))
    left = min(max(0, round(one.box_xyxy[0])), width - size[0])
    top = min(max(0, round(one.box_xyxy[1]) - size[1]), height - size[1])
    return Mark((left, top), size, colour_of(one), text)


def _frame(one: Instance, size_wh: tuple[int, int]) -> list[Mark]:
    """The four sides of a box, inside of it."""
    edges = np.rint(one.box_xyxy).astype(np.int64)
    left, top, right, bottom = np.clip(edges, 0, [*size_wh, *size_wh]).tolist()
    width, height, colour = max(0, right - left), max(0, bottom - top), colour_of(one)
    line = min(max(1, min(size_wh) // 300), width, height)
    return [
        Mark((left, top), (width, line), colour),
        Mark((left, bottom - line), (width, line), colour),
        Mark((left, top), (line, height), colour),
        Mark((right - line, top), (line, height), colour),
    ]


@lru_cache(maxsize=512)
def _letters(text: str, height: int) -> NDArray[np.uint8]:
    """(h, w) uint8, 255 where the letters are: Pillow's own font, so the same on every machine."""
    font = ImageFont.load_default(height)
    left, top, right, bottom = (int(edge) for edge in font.getbbox(text))
    mask = font.getmask(text, "L")
    letters = np.asarray(mask, np.uint8).reshape(mask.size[::-1])
    tall = np.zeros((max(bottom, top + letters.shape[0]), max(right, left + letters.shape[1])), np.uint8)
    tall[top : top + letters.shape[0], left : left + letters.shape[1]] = letters
    return tall
