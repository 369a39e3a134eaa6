"""Label Studio's brush masks: a bit stream of runs (thi.ng rle-pack) over the mask's RGBA values."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

CHANNELS = 4  # the mask's value stands for red, green, blue and alpha of its pixel
BAND_PIXELS = 1 << 18
WORD_BITS = 8
# A run's length less one is written in one of four sizes.
SIZES = np.array([3, 4, 8, 16])
LONGEST_RUN = 1 << 16
HEAD_BITS = 3  # a flag and the index into SIZES

Integers = NDArray[np.int64]


def brush_rle(mask: NDArray[np.bool_]) -> bytes:
    """(H, W) bool -> what Label Studio keeps in ``value.rle`` of a brush region, one byte a number.

    Byte for byte what Label Studio's own converter writes, with 255 for True. Works band by band: beside the mask and
    the answer it needs a few MB.
    """
    stream = _BitStream()
    stream.write(np.array([CHANNELS * mask.size]), np.array([32]))
    stream.write(np.array([WORD_BITS - 1]), np.array([5]))
    stream.write(SIZES - 1, np.full(len(SIZES), 4))
    for values, lengths in _runs(mask.reshape(-1)):
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
