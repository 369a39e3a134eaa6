"""Where a picture lies before a model: in one piece, or cut into tiles. Sizes are (width, height) in pixels."""

from dataclasses import dataclass
from itertools import pairwise

from maskery.core.picture.orientation import turned_wh


@dataclass(frozen=True)
class Placement:
    """Sizes in pixels. The picture fills ``content_wh`` of ``working_wh``, ``offset_xy`` from its left upper corner."""

    original_wh: tuple[int, int]
    working_wh: tuple[int, int]
    content_wh: tuple[int, int]
    offset_xy: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class TileGrid:
    """Where the tiles of a picture lie; sizes (width, height) as it is stored, before its EXIF orientation.

    Attributes:
        picture_wh: In its own pixels.
        content_wh: The whole picture in working pixels.
        whole_wh: At least that, in working pixels: what the tiles cover exactly.
        tile_wh: Of one tile, in working pixels.
        lefts: Where tiles begin, in working pixels, multiples of ``unit``.
        tops: The same from the top.
        unit: Working pixels.
    """

    picture_wh: tuple[int, int]
    content_wh: tuple[int, int]
    whole_wh: tuple[int, int]
    tile_wh: tuple[int, int]
    lefts: tuple[int, ...]
    tops: tuple[int, ...]
    unit: int

    @property
    def count(self) -> int:
        return len(self.lefts) * len(self.tops)

    @property
    def side(self) -> int:
        """A tile's longest side in pixels of the picture."""
        x, y = (picture / content for picture, content in zip(self.picture_wh, self.content_wh, strict=True))
        return round(max(self.tile_wh[0] * x, self.tile_wh[1] * y))

    def placement(self, orientation: int) -> Placement:
        """Of the whole picture, upright: ``orientation`` turns it so."""
        right, bottom = (whole - content for whole, content in zip(self.whole_wh, self.content_wh, strict=True))
        offset = {2: (right, 0), 3: (right, bottom), 4: (0, bottom), 6: (bottom, 0), 7: (bottom, right), 8: (0, right)}
        sizes = (self.picture_wh, self.whole_wh, self.content_wh)
        original, working, content = (turned_wh(size_wh, orientation) for size_wh in sizes)
        return Placement(original, working, content, offset.get(orientation, (0, 0)))

    @property
    def overlap(self) -> int:
        """The least overlap of neighbours in pixels of the picture; 0 where there is one tile."""
        least = [
            (self.tile_wh[i] - max(b - a for a, b in pairwise(starts))) * (self.picture_wh[i] / self.content_wh[i])
            for i, starts in enumerate((self.lefts, self.tops))
            if len(starts) > 1
        ]
        return round(min(least, default=0))
