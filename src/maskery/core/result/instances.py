"""Single objects: each with its class, score, box and mask; and the result that lists them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Integers
from maskery.core.result.meta import Meta

Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class CropMask:
    """A mask that lies in a part of the picture, run-length encoded.

    ``left_top``: of the part, in pixels of the picture; ``size_wh``: the part's. ``counts``: (n,) int64, lengths of the
    runs of equal pixels of the part, row by row, zeros first (maybe 0 of them); they sum up to its area.
    """

    left_top: tuple[int, int]
    size_wh: tuple[int, int]
    counts: Integers

    def __post_init__(self) -> None:
        width, height = self.size_wh
        if min(self.left_top) < 0 or int(self.counts.sum()) != width * height:
            raise ValueError(f"runs of {int(self.counts.sum())} pixels at {self.left_top}, expected {width} x {height}")

    @property
    def area(self) -> int:
        """Pixels of the object."""
        return int(self.counts[1::2].sum())

    def decoded(self) -> NDArray[np.bool_]:
        """(h, w) bool, of the part."""
        values = np.arange(len(self.counts)) % 2 == 1
        return np.repeat(values, self.counts).reshape(self.size_wh[::-1])

    def counts_in(self, size_wh: tuple[int, int], by_columns: bool = False) -> Integers:
        """(n,) int64: lengths of the runs of a whole picture of ``size_wh``, zeros first (maybe 0 of them).

        Row by row, or column by column. The picture is never drawn: of the part, a byte a pixel is held, once.
        """
        part, (left, top), (width, height) = self.decoded(), self.left_top, size_wh
        h, w = part.shape
        if by_columns:  # compared row by row all the same, as they lie in memory
            row, column = np.divmod(np.flatnonzero(part[1:] != part[:-1]), max(1, w))
            first, last = np.flatnonzero(part[:1]), np.flatnonzero(part[-1:])
            row, column = np.concatenate([np.zeros_like(first), row + 1, last * 0 + h]), np.r_[first, column, last]
            edges = (left + column) * height + top + row
        else:
            row, column = np.divmod(np.flatnonzero(part[:, 1:] != part[:, :-1]), max(1, w - 1))
            first, last = np.flatnonzero(part[:, :1]), np.flatnonzero(part[:, -1:])
            row, column = np.r_[first, row, last], np.concatenate([np.zeros_like(first), column + 1, last * 0 + w])
            edges = (top + row) * width + left + column
        edges, times = np.unique(edges, return_counts=True)
        # Where one line ends and the next begins at once, the run goes on.
        counts: Integers = np.diff(edges[times == 1], prepend=0, append=width * height)
        return counts if counts[-1] else counts[:-1]

    def placed(self, size_wh: tuple[int, int]) -> NDArray[np.bool_]:
        """(H, W) bool, of the whole picture of ``size_wh``."""
        whole, (left, top), (width, height) = np.zeros(size_wh[::-1], np.bool_), self.left_top, self.size_wh
        whole[top : top + height, left : left + width] = self.decoded()
        return whole


def crop_mask(mask: NDArray[np.bool_]) -> CropMask:
    """(H, W) bool of a whole picture -> its part that holds all of the object; of nothing, 0 x 0 pixels."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return CropMask((0, 0), (0, 0), np.zeros(1, np.int64))
    left, top, right, bottom = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    flat = mask[top:bottom, left:right].reshape(-1)
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff(edges, prepend=0, append=flat.size)
    return CropMask((left, top), (right - left, bottom - top), np.insert(counts, 0, 0) if flat[0] else counts)


@dataclass(frozen=True, eq=False, kw_only=True)
class Instance:
    """One object.

    Attributes:
        id: Its number within the result, from 1.
        class_id: The class.
        score: How sure the model is of it, 0..1.
        box_xyxy: Left, top, right, bottom in pixels of the answer, right and bottom exclusive.
        mask: Its pixels; None of a model that gives boxes only.
        track_id: The same number for the same object in each frame of a video; None for a single picture.
    """

    id: int
    class_id: int
    score: float
    box_xyxy: Box
    mask: CropMask | None = None
    track_id: int | None = None

    @property
    def area(self) -> int:
        """Pixels of the mask; of the box where there is no mask."""
        left, top, right, bottom = self.box_xyxy
        return self.mask.area if self.mask else round((right - left) * (bottom - top))


@dataclass(frozen=True, eq=False)
class InstanceResult:
    """``instances``: surest first. Their masks may overlap."""

    meta: Meta
    instances: tuple[Instance, ...]

    def __post_init__(self) -> None:
        width, height = self.meta.frame.size_wh
        ids = [one.id for one in self.instances]
        if len(set(ids)) < len(ids) or min(ids, default=1) < 1:
            raise ValueError(f"the ids of the instances are {ids}, expected different ones from 1")
        for one in self.instances:
            if not 0 <= one.class_id < len(self.meta.labels):
                raise ValueError(f"instance {one.id} has class {one.class_id}, but there are {len(self.meta.labels)}")
            if one.mask and any(
                a + b > c for a, b, c in zip(one.mask.left_top, one.mask.size_wh, (width, height), strict=True)
            ):
                raise ValueError(f"the mask of instance {one.id} reaches beyond {width} x {height} pixels")


def painted(instances: Iterable[Instance], size_wh: tuple[int, int]) -> NDArray[np.uint16]:
    """(H, W) uint16: the place in ``instances``, from 1, of the first one that has the pixel; 0 = none has.

    An object without mask is its box. At most 65535 objects are painted.
    """
    width, height = size_wh
    numbers = np.zeros((height, width), np.uint16)
    for number, one in reversed(list(enumerate(list(instances)[:65535], 1))):
        if one.mask:
            (left, top), (w, h) = one.mask.left_top, one.mask.size_wh
            numbers[top : top + h, left : left + w][one.mask.decoded()] = number
        else:
            left, top, right, bottom = (max(0, round(value)) for value in one.box_xyxy)
            numbers[top:bottom, left:right] = number
    return numbers


def painted_rows(instances: Iterable[Instance], size_wh: tuple[int, int], height: int) -> Iterator[NDArray[np.uint16]]:
    """The same in bands (``height``, W), the last one lower; of a mask only the rows of a band are unpacked."""
    objects = list(enumerate(list(instances)[:65535], 1))
    ends = [np.cumsum(one.mask.counts) if one.mask else np.zeros(0, np.int64) for _, one in objects]
    for top in range(0, size_wh[1], height):
        band = np.zeros((min(height, size_wh[1] - top), size_wh[0]), np.uint16)
        for (number, one), own in zip(reversed(objects), reversed(ends), strict=True):
            if one.mask:
                _paint(band, top, (one.mask, own), number)
            else:
                left, upper, right, bottom = (max(0, round(value)) for value in one.box_xyxy)
                band[max(0, upper - top) : max(0, bottom - top), left:right] = number
        yield band


def _paint(band: NDArray[np.uint16], top: int, runs: tuple[CropMask, Integers], number: int) -> None:
    """``runs``: a mask, and where each of its runs ends in its part."""
    mask, ends = runs
    (left, upper), (width, height) = mask.left_top, mask.size_wh
    first, last = max(0, top - upper), min(height, top + len(band) - upper)
    if first >= last or not width:
        return
    begin, stop = first * width, last * width
    inside = slice(int(np.searchsorted(ends, begin, "right")), int(np.searchsorted(ends, stop)))
    edges = np.concatenate([[begin], ends[inside], [stop]])
    values = (inside.start + np.arange(len(edges) - 1)) % 2 == 1
    part = np.repeat(values, np.diff(edges)).reshape(last - first, width)
    band[upper + first - top : upper + last - top, left : left + width][part] = number
