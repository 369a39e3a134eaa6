"""A result whose map is too large to be held as it is: bands of rows, compressed. Class maps shrink to some hundredths.

What is drawn or counted of it is done band by band, from top to bottom.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray
from zlib_ng import zlib_ng

from maskery.core.arrays import ClassMap
from maskery.core.picture.orientation import turned
from maskery.core.picture.rows import steps
from maskery.core.result.counts import occurrences_in
from maskery.core.result.meta import ClassShare, Meta
from maskery.core.result.types import ForegroundResult, SemanticResult, decided_at

BAND_ROWS = 256
BLOCK_COLUMNS = 2048


@dataclass(frozen=True, eq=False)
class BandedMap:
    """``size_wh`` of ``dtype`` (uint8 or uint16). Band i has rows ``tops[i]`` to ``tops[i + 1]``; ``blocks[i]``: the
    zlib streams of its blocks of ``BLOCK_COLUMNS`` columns, the last one narrower.
    """

    size_wh: tuple[int, int]
    dtype: np.dtype[np.uint8] | np.dtype[np.uint16]
    tops: tuple[int, ...]
    blocks: tuple[tuple[bytes, ...], ...]

    @property
    def nbytes(self) -> int:
        """What is held."""
        return sum(len(block) for band in self.blocks for block in band)

    def rows(self) -> Iterator[ClassMap]:
        """Bands (h, W), from top to bottom."""
        for number in range(len(self.blocks)):
            yield self._band(number)

    def upright(self, orientation: int) -> "BandedMap":
        """The map turned as the EXIF ``orientation`` says, 1..8; not more than one band is ever unpacked."""
        return self if orientation == 1 else pack(self._turned(orientation))

    def _turned(self, orientation: int) -> Iterator[ClassMap]:
        order = range(len(self.blocks)) if orientation == 2 else reversed(range(len(self.blocks)))
        if orientation <= 4:
            for number in order:
                yield _turned_ids(self._band(number), orientation)
            return
        columns = range(len(self.blocks[0]))
        for column in columns if orientation in (5, 6) else reversed(columns):
            strip = _joined([self._block(number, column) for number in range(len(self.blocks))], 0)
            strip = _turned_ids(strip, orientation)
            for start, stop in steps(len(strip), BAND_ROWS):
                yield strip[start:stop]

    def _band(self, number: int) -> ClassMap:
        return _joined([self._block(number, column) for column in range(len(self.blocks[number]))], 1)

    def _block(self, band: int, column: int) -> ClassMap:
        height = self.tops[band + 1] - self.tops[band]
        values = np.frombuffer(zlib_ng.decompress(self.blocks[band][column]), self.dtype)
        return cast(ClassMap, values.reshape(height, -1))


def _joined(parts: Sequence[ClassMap], axis: int) -> ClassMap:
    return cast(ClassMap, np.concatenate(parts, axis=axis))


def _turned_ids(ids: ClassMap, orientation: int) -> ClassMap:
    return cast(ClassMap, turned(cast(NDArray[np.generic], ids), orientation))


def pack(bands: Iterable[ClassMap]) -> BandedMap:
    """Bands (h, W) of any height, from top to bottom -> the map of them all."""
    tops, blocks, width = [0], [], 0
    dtype: np.dtype[np.uint8] | np.dtype[np.uint16] = np.dtype(np.uint8)
    for band in bands:
        dtype, width = band.dtype, band.shape[1]
        tops.append(tops[-1] + len(band))
        blocks.append(tuple(_packed(band[:, left : left + BLOCK_COLUMNS]) for left in range(0, width, BLOCK_COLUMNS)))
    return BandedMap((width, tops[-1]), dtype, tuple(tops), tuple(blocks))


def _packed(block: ClassMap) -> bytes:
    packer = zlib_ng.compressobj(1, zlib_ng.DEFLATED, zlib_ng.MAX_WBITS, zlib_ng.DEF_MEM_LEVEL, zlib_ng.Z_RLE)
    return packer.compress(np.ascontiguousarray(block).data) + packer.flush()


@dataclass(frozen=True, eq=False)
class BandedSemanticResult:
    """A ``SemanticResult`` in bands. ``packed``: class ids. ``kept``: the names that ``keep`` was given."""

    meta: Meta
    packed: BandedMap
    decided_by: str
    kept: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _expect_size(self.packed, self.meta)

    @property
    def unlabelled(self) -> int:
        """The id that stands for no class: 255, or 65535 in a uint16 map."""
        return int(np.iinfo(self.packed.dtype).max)

    def rows(self) -> Iterator[ClassMap]:
        """Bands (h, W) of class ids, from top to bottom."""
        if not self.kept:
            return self.packed.rows()
        background = self.meta.background
        table = cast(ClassMap, np.arange(self.unlabelled + 1).astype(self.packed.dtype))
        table[:] = self.unlabelled if background is None else background
        table[self.meta.class_ids(self.kept)] = self.meta.class_ids(self.kept)
        return (table[band] for band in self.packed.rows())

    @cached_property
    def classes(self) -> tuple[ClassShare, ...]:
        """The classes that occur, most pixels first."""
        return self.meta.shares(occurrences_in(self.rows()))

    def keep(self, names: Sequence[str]) -> "BandedSemanticResult":
        """Only the classes of these names; the rest becomes background, or ``unlabelled`` where there is none.

        Raises ``BadRequest`` for a name that is no class.
        """
        self.meta.class_ids(names)
        return replace(self, kept=tuple(names))

    def whole(self) -> SemanticResult:
        """The same with its map unpacked: a byte (two above 255 classes) a pixel."""
        class_map = np.concatenate(list(self.rows()))
        return SemanticResult(meta=self.meta, class_map=class_map, decided_by=self.decided_by, kept=self.kept)


@dataclass(frozen=True, eq=False)
class BandedForegroundResult:
    """A ``ForegroundResult`` in bands. ``packed``: the soft mask, uint8."""

    meta: Meta
    packed: BandedMap
    threshold: float = 0.5

    def __post_init__(self) -> None:
        _expect_size(self.packed, self.meta)

    @property
    def opaque_from(self) -> int:
        """The least alpha that counts as foreground."""
        return round(self.threshold * 255)

    def alpha_rows(self) -> Iterator[NDArray[np.uint8]]:
        """Bands (h, W) of the soft mask, 0..255, from top to bottom."""
        return (band.astype(np.uint8, copy=False) for band in self.packed.rows())

    @property
    def unlabelled(self) -> int:
        """The id that stands for no class: 255, which does not occur."""
        return 255

    @property
    def decided_by(self) -> str:
        return decided_at(self.threshold)

    @property
    def kept(self) -> tuple[str, ...]:
        """Nothing: a soft mask shows one class anyway."""
        return ()

    def rows(self) -> Iterator[ClassMap]:
        """Bands (h, W) of class ids, from top to bottom."""
        table = (np.arange(256) >= self.opaque_from).astype(np.uint8)
        return (table[band] for band in self.packed.rows())

    @cached_property
    def classes(self) -> tuple[ClassShare, ...]:
        """The classes that occur, most pixels first."""
        return self.meta.shares(occurrences_in(self.rows()))

    def keep(self, names: Sequence[str]) -> "BandedForegroundResult":
        """The same: it shows one class anyway. Raises ``BadRequest`` for a name that is no class."""
        self.meta.class_ids(names)
        return self

    def whole(self) -> ForegroundResult:
        """The same with its mask unpacked: a byte a pixel."""
        return ForegroundResult(self.meta, np.concatenate(list(self.alpha_rows())), self.threshold)


def _expect_size(packed: BandedMap, meta: Meta) -> None:
    if packed.size_wh != meta.frame.size_wh:
        raise ValueError(f"the bands are {packed.size_wh}, expected {meta.frame.size_wh} (width, height)")
