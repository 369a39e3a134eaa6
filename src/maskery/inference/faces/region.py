"""Parts of a picture: those that a detector is run on, and the crops around its boxes."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from maskery.core.boxes import Box, BoxXyxy
from maskery.core.card import Detector

# Of a part's side, what it has in common with its neighbour: a face of up to this size is whole in one of them.
SHARED = 1 / 4
# Around the picture, in a last look at it: a face that fills the picture is smaller there.
AROUND = 1 / 4
# A crop that covers so much of a picture that is about square is the whole picture: it was cropped to the face before.
COVERED, SQUARE = 0.6, 1.2
# Boxes that a part's edge cuts end this near to it, in shares of the part's side.
AT_EDGE = 0.02


@dataclass(frozen=True)
class Region:
    """A rectangle in pixels of the upright picture, not rounded; it may reach beyond the picture."""

    left: float
    top: float
    width: float
    height: float

    @classmethod
    def of(cls, xyxy: BoxXyxy) -> "Region":
        """From left, top, right, bottom."""
        return cls(xyxy[0], xyxy[1], xyxy[2] - xyxy[0], xyxy[3] - xyxy[1])

    @property
    def whole_wh(self) -> tuple[int, int]:
        """Its size in whole pixels, at least one."""
        return max(1, round(self.width)), max(1, round(self.height))

    @property
    def xyxy(self) -> BoxXyxy:
        return self.left, self.top, self.left + self.width, self.top + self.height

    def within(self, size_wh: tuple[int, int]) -> "Region":
        """The part of it that is in the picture; of no size where there is none."""
        left, top, right, bottom = self.xyxy
        left, top = max(0.0, left), max(0.0, top)
        return Region(left, top, max(0.0, min(right, size_wh[0]) - left), max(0.0, min(bottom, size_wh[1]) - top))


def whole(size_wh: tuple[int, int]) -> Region:
    """All of a picture."""
    return Region(0.0, 0.0, float(size_wh[0]), float(size_wh[1]))


def around(size_wh: tuple[int, int]) -> Region:
    """All of a picture, and beyond."""
    width, height = size_wh
    return Region(-AROUND * width, -AROUND * height, (1 + 2 * AROUND) * width, (1 + 2 * AROUND) * height)


def looks(size_wh: tuple[int, int], levels: int) -> Iterator[Region]:
    """The whole picture, then square parts that cover it: of its shorter side, of half of that, and so on."""
    yield whole(size_wh)
    for level in range(1, levels):
        side = finest_side(size_wh, level + 1)
        if level == 1 and size_wh[0] == size_wh[1]:
            continue
        lefts, tops = (_starts(length, side) for length in size_wh)
        for top, left in product(tops, lefts):
            yield Region(left, top, side, side)


def finest_side(size_wh: tuple[int, int], levels: int) -> float:
    """The side of the smallest parts that ``looks`` gives; of one level, the picture's longer side."""
    return max(size_wh) if levels == 1 else min(size_wh) / 2 ** (levels - 2)


def is_cut(box: BoxXyxy, window: Region, size_wh: tuple[int, int]) -> bool:
    """Whether the window's edge, where it is not the picture's, cuts what ``box`` is around: a larger part shows it."""
    reach = AT_EDGE * window.width
    left, top, right, bottom = window.xyxy
    return (
        (left > 0 and box[0] < left + reach)
        or (top > 0 and box[1] < top + reach)
        or (right < size_wh[0] and box[2] > right - reach)
        or (bottom < size_wh[1] and box[3] > bottom - reach)
    )


def crop_of(box: Box, size_wh: tuple[int, int], spec: Detector) -> Region:
    """The square around a face that the model is shown, or the whole picture where that is a face's crop already."""
    (left, top, right, bottom), longer = box.xyxy, max(box.size_wh)
    side = longer * (1 + 2 * spec.margin)
    crop = Region((left + right - side) / 2, (top + bottom - side) / 2 - spec.up * longer, side, side)
    seen, (width, height) = crop.within(size_wh), size_wh
    square = max(size_wh) <= SQUARE * min(size_wh)
    return whole(size_wh) if square and seen.width * seen.height >= COVERED * width * height else crop


def _starts(length: int, side: float) -> list[float]:
    """Where parts of ``side`` begin that cover ``length``, evenly, with at least ``SHARED`` of each in common."""
    spare = length - side
    steps = -(-spare // (side * (1 - SHARED)))
    return [spare * i / steps for i in range(int(steps) + 1)] if steps > 0 else [0.0]
