"""Where tiles lie in a picture as it is stored, and in the upright one."""

import pytest

from maskery.core.card_tensors import Input
from maskery.core.plan import Placement, TileGrid
from maskery.inference.tiles.grid import lay_out, placement_of

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


@pytest.mark.parametrize(("side", "tile"), [(256, 256), (250, 256), (1000, 992), (4096, 2048)])
def test_tiles_of_a_model_of_the_pictures_own_size_keep_it(side: int, tile: int) -> None:
    spec = Input(tensor="image", layout="NCHW", resize="multiple", multiple=32, max_side=2048)
    grid = lay_out((6000, 4000), False, spec, side, None)
    assert max(grid.tile_wh) == tile
    assert grid.whole_wh[0] == pytest.approx(6000 * tile / side, rel=0.02)
    assert lay_out((6000, 4000), False, spec, side, 512).tile_wh == (512, 512)  # asked for


def test_tiles_of_other_policies_have_the_models_side() -> None:
    spec = Input(tensor="image", layout="NCHW", resize="longest-side", side=512, multiple=32, max_side=2048)
    assert lay_out((6000, 4000), False, spec, 256, None).tile_wh == (512, 512)
