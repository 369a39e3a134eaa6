"""Where the tiles of a huge picture lie.

The picture is thought of at one working size, too large for the model, and cut there into overlapping tiles of the
model's own size. So every tile has the same scale, and all their scores lie on one grid.
"""

import math

from maskery.core.card_tensors import Input
from maskery.core.errors import BadRequest
from maskery.core.picture.orientation import turned_wh
from maskery.core.plan import Placement, TileGrid

# Of a tile's side, at least this part is shared with the neighbour.
OVERLAP = 1 / 8
# Pixels of the picture along a tile's longest side, per working pixel, where the caller does not say.
PICTURE_PER_WORKING = 4
TILES_AT_MOST = 4096
SIDE_AT_LEAST = 16


def lay_out(stored_wh: tuple[int, int], turned: bool, spec: Input, side: int | None, max_side: int | None) -> TileGrid:
    """The tiles of a picture of ``stored_wh``.

    ``turned``: whether EXIF turns it by a quarter. ``side``: of a tile in pixels of the picture, None = chosen here.
    ``max_side``: the longest working side of a tile, None = the card's. Raises ``BadRequest`` where that makes too many
    tiles.
    """
    largest = _tile_wh(spec, max_side if max_side or not side else _own_side(spec, side))[:: -1 if turned else 1]
    longest = max(largest)
    chosen = PICTURE_PER_WORKING * longest if side is None else side
    if chosen < SIDE_AT_LEAST:
        raise BadRequest(f"tile is {chosen} pixels.", f"Give the side of a tile, {SIDE_AT_LEAST} pixels or more.")
    scale, multiple = longest / chosen, 1 if spec.fixed else spec.multiple
    wanted = (stored_wh[0] * scale, stored_wh[1] * scale)
    tile = (_tile(wanted[0], largest[0], spec.fixed, multiple), _tile(wanted[1], largest[1], spec.fixed, multiple))
    unit = math.gcd(*tile, 32)
    whole = (_whole(wanted[0], tile[0], unit), _whole(wanted[1], tile[1], unit))
    content = tuple(
        max(1, round(w)) if spec.fixed and w < t else v for w, v, t in zip(wanted, whole, tile, strict=True)
    )
    lefts, tops = _starts(whole[0], tile[0], unit), _starts(whole[1], tile[1], unit)
    if len(lefts) * len(tops) > TILES_AT_MOST:
        least = math.ceil(1.05 * chosen * math.sqrt(len(lefts) * len(tops) / TILES_AT_MOST))
        if side is None:
            return lay_out(stored_wh, turned, spec, least, max_side)
        raise BadRequest(
            f"Tiles of {chosen} pixels would be {len(lefts) * len(tops):,}, more than {TILES_AT_MOST:,}.",
            f"Make them larger: tile={least} or more.",
        )
    return TileGrid(
        picture_wh=stored_wh,
        content_wh=(content[0], content[1]),
        whole_wh=whole,
        tile_wh=tile,
        lefts=lefts,
        tops=tops,
        unit=unit,
    )


def _own_side(spec: Input, side: int) -> int | None:
    """The working side of a tile of ``side`` pixels by a policy that shows pictures at their own size, else None."""
    if spec.fixed or spec.side is not None:
        return None
    return max(spec.multiple, round(side / spec.multiple) * spec.multiple)


def _tile_wh(spec: Input, max_side: int | None) -> tuple[int, int]:
    if spec.fixed:
        assert spec.size is not None
        return spec.size
    side = min(max_side or spec.side or spec.max_side, spec.max_side)
    rounded = max(spec.multiple, side // spec.multiple * spec.multiple)
    return rounded, rounded


def _tile(wanted: float, largest: int, fixed: bool, multiple: int) -> int:
    """The tile's side: the model's, or, where the whole picture is smaller and the model flexible, the picture's."""
    if fixed or wanted >= largest:
        return largest
    return max(multiple, round(wanted / multiple) * multiple)


def _whole(wanted: float, tile: int, unit: int) -> int:
    return tile + unit * max(0, round((wanted - tile) / unit))


def _starts(whole: int, tile: int, unit: int) -> tuple[int, ...]:
    """Evenly spread, overlapping by ``OVERLAP`` at least, the first at 0, the last ending with the picture."""
    step = max(unit, int(tile * (1 - OVERLAP)) // unit * unit)
    count = math.ceil((whole - tile) / step) + 1
    return tuple(round(i * (whole - tile) / (count - 1) / unit) * unit if i else 0 for i in range(count))


def placement_of(grid: TileGrid, orientation: int) -> Placement:
    """How the whole picture lies in what the tiles cover, upright: ``orientation`` turns it so."""
    right, bottom = (whole - content for whole, content in zip(grid.whole_wh, grid.content_wh, strict=True))
    offset = {2: (right, 0), 3: (right, bottom), 4: (0, bottom), 6: (bottom, 0), 7: (bottom, right), 8: (0, right)}
    sizes = (grid.picture_wh, grid.whole_wh, grid.content_wh)
    original, working, content = (turned_wh(size_wh, orientation) for size_wh in sizes)
    return Placement(original, working, content, offset.get(orientation, (0, 0)))
