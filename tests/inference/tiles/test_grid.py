"""Where tiles lie in a picture as it is stored, and in the upright one."""

import pytest

from maskery.core.plan import Placement, TileGrid
from maskery.inference.tiles.grid import placement_of

GRID = TileGrid(
    picture_wh=(400, 300),
    content_wh=(200, 150),
    whole_wh=(224, 160),
    tile_wh=(128, 96),
    lefts=(0, 96),
    tops=(0, 64),
    unit=32,
)


def test_tiles_in_pixels_of_the_picture() -> None:
    assert (GRID.count, GRID.side, GRID.overlap) == (4, 256, 64)


@pytest.mark.parametrize(
    ("orientation", "placement"),
    [
        (1, Placement((400, 300), (224, 160), (200, 150), (0, 0))),
        (2, Placement((400, 300), (224, 160), (200, 150), (24, 0))),
        (3, Placement((400, 300), (224, 160), (200, 150), (24, 10))),
        (6, Placement((300, 400), (160, 224), (150, 200), (10, 0))),
        (8, Placement((300, 400), (160, 224), (150, 200), (0, 24))),
    ],
)
def test_the_upright_whole(orientation: int, placement: Placement) -> None:
    assert placement_of(GRID, orientation) == placement
