"""Tiles make no seams: with a model that looks at each place alone, they give what the whole gives."""

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from maskery.core.card_tensors import Input
from maskery.core.errors import BadRequest
from maskery.core.plan import Placement, TileGrid
from maskery.inference.tiles.blend import decided, score_bands
from maskery.inference.tiles.grid import TILES_AT_MOST, lay_out
from maskery.inference.upsample import resample
from tests.material import photo

SIZE = st.tuples(st.integers(20, 700), st.integers(20, 700))


def flexible(side: int = 64, multiple: int = 16) -> Input:
    return Input(tensor="x", layout="NCHW", resize="longest-side", side=side, multiple=multiple)


def fixed(width: int, height: int) -> Input:
    return Input(tensor="x", layout="NHWC", resize="stretch", size=(width, height))


def bands(array: NDArray[np.uint8], height: int = 7) -> Iterator[NDArray[np.uint8]]:
    return (array[top : top + height] for top in range(0, len(array), height))


def pooled(pitch: int) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """A model that sees only what lies under each score: three classes, scored by the mean red, green, blue.

    What is added keeps grey from being a draw, which rounding would decide.
    """

    def look(tile: NDArray[np.uint8]) -> NDArray[np.float32]:
        height, width = tile.shape[:2]
        cells = tile.reshape(height // pitch, pitch, width // pitch, pitch, 3).mean((1, 3))
        return np.ascontiguousarray((cells + np.array([0.11, 0.37, 0.73])).transpose(2, 0, 1), np.float32)

    return look


def scores_of(
    picture: NDArray[np.uint8], grid: TileGrid, look: Callable[..., NDArray[np.float32]]
) -> NDArray[np.float32]:
    found = list(score_bands(bands(picture), grid, look, blend=True))
    assert all(band.grid_wh == found[0].grid_wh for band in found)
    whole = np.concatenate([band.scores for band in found], axis=1)
    assert whole.shape[:0:-1] == found[0].grid_wh
    return whole


def at(picture: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """Some picture of exactly this size."""
    rows, columns = (np.arange(n) * m // n for n, m in zip(size_wh[::-1], picture.shape[:2], strict=True))
    return np.ascontiguousarray(picture[rows][:, columns])


@given(SIZE, st.sampled_from([flexible(), flexible(96, 32), fixed(64, 48), fixed(33, 33)]), st.integers(40, 300))
@settings(deadline=None, max_examples=60)
def test_tiles_cover_every_working_pixel_and_overlap(size: tuple[int, int], spec: Input, side: int) -> None:
    grid = lay_out(size, False, spec, side, None)
    for axis, starts in enumerate((grid.lefts, grid.tops)):
        tile, whole, content = grid.tile_wh[axis], grid.whole_wh[axis], grid.content_wh[axis]
        assert starts[0] == 0
        assert starts[-1] + tile == whole
        assert 1 <= content <= whole
        assert whole == content or (spec.fixed and len(starts) == 1)
        assert all(0 < b - a <= tile * 7 / 8 + grid.unit for a, b in pairwise(starts))
        assert all(start % grid.unit == 0 for start in starts)
    if not spec.fixed:
        assert all(n % spec.multiple == 0 for n in grid.tile_wh)


@given(SIZE, st.integers(40, 300), st.sampled_from([1, 2, 8, 16]))
@settings(deadline=None, max_examples=60)
def test_a_local_model_gives_what_it_gives_of_the_whole(size: tuple[int, int], side: int, pitch: int) -> None:
    grid = lay_out(size, False, flexible(), side, None)
    picture = at(photo("astronaut"), grid.content_wh)
    np.testing.assert_allclose(scores_of(picture, grid, pooled(pitch)), pooled(pitch)(picture), atol=1e-3)


def test_a_constant_field_has_no_seams() -> None:
    """Also with scores that do not fall together, and with a border that is repeated."""
    grid = lay_out((500, 20), False, fixed(33, 33), 60, None)
    assert grid.content_wh[1] < grid.whole_wh[1]
    value = np.array([0.25, -3.0, 11.0], np.float32)[:, None, None]
    scores = scores_of(np.zeros((*grid.content_wh[::-1], 3), np.uint8), grid, lambda tile: np.tile(value, (1, 5, 5)))
    assert scores.shape == (3, *grid.whole_wh[::-1])
    np.testing.assert_allclose(scores, np.broadcast_to(value, scores.shape), rtol=1e-6)


def test_what_a_tile_says_fades_towards_its_border() -> None:
    grid = lay_out((300, 60), False, flexible(), 100, None)
    assert len(grid.lefts) > 2
    calls = iter(range(100))
    scores = scores_of(
        np.zeros((*grid.content_wh[::-1], 3), np.uint8),
        grid,
        lambda _: np.full((1, 32, 32), next(calls), np.float32),
    )
    steps = np.diff(scores[0, 0])
    assert (steps >= 0).all()
    assert steps.max() < 0.5


def test_class_maps_are_taken_from_the_nearest_tile() -> None:
    grid = lay_out((300, 60), False, flexible(), 100, None)
    calls = iter(range(100))
    picture = np.zeros((*grid.content_wh[::-1], 3), np.uint8)
    found = list(
        score_bands(bands(picture), grid, lambda tile: np.full((1, *tile.shape[:2]), next(calls), np.float32), False)
    )
    ids = np.concatenate([band.scores for band in found], axis=1)[0]
    centres = np.array(grid.lefts) + grid.tile_wh[0] / 2
    expected = np.abs(np.arange(grid.whole_wh[0])[:, None] + 0.5 - centres).argmin(1)
    np.testing.assert_array_equal(ids[0], expected)


@given(SIZE, st.integers(40, 300), st.tuples(st.integers(1, 900), st.integers(1, 900)))
@settings(deadline=None, max_examples=60)
def test_every_pixel_is_decided_once_and_as_from_the_whole(
    size: tuple[int, int], side: int, out_wh: tuple[int, int]
) -> None:
    grid = lay_out(size, False, flexible(), side, None)
    picture = at(photo("astronaut"), grid.content_wh)
    placement = Placement(out_wh, grid.whole_wh, grid.content_wh, (0, 0))
    found = list(decided(score_bands(bands(picture), grid, pooled(8), True), placement, resample.decide))
    whole = scores_of(picture, grid, pooled(8))
    np.testing.assert_array_equal(np.concatenate(found), resample.class_map(whole, placement))


def test_a_turned_picture_has_turned_tiles() -> None:
    grid = lay_out((3000, 2000), True, fixed(64, 32), 640, None)
    assert grid.tile_wh == (32, 64)


def test_limits_are_said() -> None:
    with pytest.raises(BadRequest, match="tile=") as caught:
        lay_out((20_000, 20_000), False, flexible(), 40, None)
    least = int(str(caught.value).split("tile=")[1].split()[0])
    assert lay_out((20_000, 20_000), False, flexible(), least, None).count <= TILES_AT_MOST
    assert lay_out((60_000, 60_000), False, flexible(), None, None).count <= TILES_AT_MOST
    with pytest.raises(BadRequest, match="16 pixels or more"):
        lay_out((200, 200), False, flexible(), 3, None)
