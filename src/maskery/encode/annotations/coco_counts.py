"""COCO's run lengths of one mask that lies in a part of a picture: written, and read from what callers send.

Lengths are those of pixels column by column, zeros first (maybe 0 of them), of the whole picture; as text they are
``compressed``. The picture is never drawn: runs are moved, and looked up.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Integers
from maskery.core.errors import BadRequest
from maskery.core.prompt import CoarseMask
from maskery.core.result.instances import CropMask, crop_mask
from maskery.inference.prompts.prompt_input import COARSE_SIDE

BITS, MORE, FIRST_CHARACTER = 5, 32, 48  # of the compressed counts
LONGEST_NUMBER = 7
"""Characters of one run: 35 bits, more than any picture needs."""
TRIES = 2
"""Places along each axis at which a cell of a rough mask is looked up."""
_CURE = 'Send a mask as it was answered: {"size": [height, width], "counts": "..."}.'


def crop_rle(mask: CropMask, size_wh: tuple[int, int]) -> dict[str, Any]:
    """{"size": [height, width], "counts": compressed} of a picture of ``size_wh``: what pycocotools decodes."""
    return {"size": [size_wh[1], size_wh[0]], "counts": compressed(crop_counts(mask, size_wh))}


def crop_counts(mask: CropMask, size_wh: tuple[int, int]) -> Integers:
    """(n,) int64, lengths of runs column by column, zeros first."""
    return mask.counts_in(size_wh, by_columns=True)


def compressed(counts: Integers) -> str:
    """Lengths of runs, zeros first -> COCO's text: each less the one before the last, five bits a character."""
    rest = counts.copy()
    rest[3:] -= counts[1:-2]
    characters, taken = [], []
    going_on = np.ones(len(rest), np.bool_)
    while going_on.any():
        low = rest & (MORE - 1)
        rest >>= BITS
        last = rest == -(low >> (BITS - 1))  # what is left is only the sign of what was written
        characters.append(low + np.where(last, 0, MORE) + FIRST_CHARACTER)
        taken.append(going_on)
        going_on = going_on & ~last
    text: NDArray[np.uint8] = np.stack(characters, 1)[np.stack(taken, 1)].astype(np.uint8)
    return text.tobytes().decode("ascii")


def counts_of(value: Any, size_hw: Sequence[int], most_pixels: int) -> Integers:
    """(n,) int64 from COCO's text or list of lengths. Raises ``BadRequest`` for what is no mask of ``size_hw``."""
    if len(size_hw) != 2 or min(size_hw) < 1 or size_hw[0] * size_hw[1] > most_pixels:
        raise BadRequest(f"The previous mask has the size {list(size_hw)}.", _CURE)
    try:
        counts = _read_text(value) if isinstance(value, str) else np.array(value, np.int64)
    except OverflowError:
        counts = np.zeros(0, np.int64)
    if not len(counts) or counts.min() < 0 or counts.max() > most_pixels or counts.sum() != size_hw[0] * size_hw[1]:
        raise BadRequest(f"The runs of the previous mask are not those of {size_hw[1]} x {size_hw[0]} pixels.", _CURE)
    return counts


def _read_text(text: str) -> Integers:
    """The inverse of ``compressed``."""
    values = np.frombuffer(text.encode("ascii", "replace"), np.uint8).astype(np.int64) - FIRST_CHARACTER
    ends = np.flatnonzero(values & MORE == 0)
    if not len(values) or values.min() < 0 or values.max() >= 2 * MORE or not len(ends) or ends[-1] != len(values) - 1:
        raise BadRequest("The counts of the previous mask are no run lengths.", _CURE)
    starts = np.append(0, ends[:-1] + 1)
    lengths = ends - starts + 1
    if lengths.max() > LONGEST_NUMBER:
        raise BadRequest("The previous mask has a run that no picture has.", _CURE)
    place = np.arange(len(values)) - np.repeat(starts, lengths)
    numbers: Integers = np.add.reduceat((values & (MORE - 1)) << (BITS * place), starts)
    negative = values[ends] & (MORE >> 1) != 0
    numbers[negative] -= np.int64(1) << (BITS * lengths[negative])
    for first in (1, 2):  # each is less the one before the last
        numbers[first::2] = np.cumsum(numbers[first::2])
    return numbers


def crop_of(counts: Integers, size_hw: Sequence[int]) -> CropMask:
    """Run lengths of a whole picture, as ``counts_of`` gives them -> its mask."""
    flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return crop_mask(np.ascontiguousarray(flat.reshape(size_hw[1], size_hw[0]).T))


def coarse_of(counts: Integers, size_hw: Sequence[int]) -> CoarseMask | None:
    """Run lengths of a whole picture -> the rough shape of its mask; None of an empty one."""
    height = size_hw[0]
    ends = np.cumsum(counts)
    begins, stops = ends[0:-1:2], ends[1::2]  # of the runs of ones
    if not (stops > begins).any():
        return None
    some = stops > begins
    first, last = begins[some], stops[some] - 1
    left, right = int(first.min() // height), int(last.max() // height) + 1
    whole = (first // height < last // height).any()  # a run that goes on in the next column has all rows
    top = 0 if whole else int((first % height).min())
    bottom = height if whole else int((last % height).max()) + 1
    across, down = min(COARSE_SIDE, right - left), min(COARSE_SIDE, bottom - top)
    x = left + ((np.arange(across * TRIES) + 0.5) * ((right - left) / (across * TRIES))).astype(np.int64)
    y = top + ((np.arange(down * TRIES) + 0.5) * ((bottom - top) / (down * TRIES))).astype(np.int64)
    inside = np.searchsorted(ends, x[None] * height + y[:, None], side="right") % 2 == 1
    shares = inside.reshape(down, TRIES, across, TRIES).mean((1, 3))
    cells = np.rint(shares * 255).astype(np.uint8).tobytes()
    return CoarseMask((size_hw[1], height), (left, top, right, bottom), (across, down), cells)
