"""Pictures that a data set has twice: the same pixels, or nearly the same to the eye."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BITS_APART = 3  # of 64, at most, for pictures that are nearly the same
COLOURS_APART = 6.0  # mean difference of 8 x 8 pixels, of 255
EDGES_AT_LEAST = 12  # bits set: a flat picture has no pattern to compare
GROUP_AT_MOST = 500  # more pictures than that in a group share an empty quarter, not a motif


@dataclass(frozen=True)
class PicturePlace:
    """Where a picture lies: its split and its file as it is called."""

    split: str
    file: str


class Duplicates:
    """Grows picture by picture; keeps some 300 bytes of each."""

    def __init__(self) -> None:
        self._same: dict[bytes, list[PicturePlace]] = {}
        self._hashes: list[int] = []
        self._tiny: list[NDArray[np.uint8]] = []
        self._places: list[PicturePlace] = []

    def add(self, place: PicturePlace, picture: Image.Image) -> None:
        """``picture``: upright, mode RGB."""
        pixels = np.asarray(picture)
        digest = hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16).digest()
        self._same.setdefault(digest, []).append(place)
        if len(self._same[digest]) > 1:
            return
        grey = np.asarray(picture.convert("L").resize((9, 8), Image.Resampling.BOX), np.int16)
        rises = grey[:, 1:] > grey[:, :-1] + 1  # the difference hash: does a pixel's right neighbour shine brighter?
        self._hashes.append(int.from_bytes(np.packbits(rises).tobytes(), "big"))
        self._tiny.append(np.asarray(picture.resize((8, 8), Image.Resampling.BOX)))
        self._places.append(place)

    def same(self) -> list[list[PicturePlace]]:
        """Groups of two and more pictures with the very same pixels."""
        return [places for places in self._same.values() if len(places) > 1]

    def near(self) -> list[tuple[PicturePlace, PicturePlace]]:
        """Pairs of different splits that look nearly the same, at most one for each picture."""
        found, reported = list[tuple[PicturePlace, PicturePlace]](), set[int]()
        for i, j in sorted(self._candidates()):
            apart = (self._hashes[i] ^ self._hashes[j]).bit_count()
            if j in reported or apart > BITS_APART or self._places[i].split == self._places[j].split:
                continue
            if np.abs(self._tiny[i].astype(np.int16) - self._tiny[j]).mean() <= COLOURS_APART:
                reported.add(j)
                found.append((self._places[i], self._places[j]))
        return found

    def _candidates(self) -> Iterator[tuple[int, int]]:
        """Pairs (i < j) that agree in one quarter of their hashes: all that differ by fewer bits than quarters do."""
        for quarter in range(BITS_APART + 1):
            groups = defaultdict[int, list[int]](list)
            for i, code in enumerate(self._hashes):
                if code.bit_count() >= EDGES_AT_LEAST:
                    groups[code >> 16 * quarter & 0xFFFF].append(i)
            for members in groups.values():
                for a, i in enumerate(members[:GROUP_AT_MOST]):
                    yield from ((i, j) for j in members[a + 1 : GROUP_AT_MOST])
