import numpy as np
from hypothesis import example, given, settings
from numpy.typing import NDArray

from maskery.core.result.rle import pieces, runs
from maskery.encode.vector.contours import Rings, select, trace
from tests.encode.reference import inside, label_maps, nested, signed_area

EVERY = np.ones(256, np.bool_)
CORNERS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.uint8)
PINCHED = np.array([[1, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 1], [0, 0, 1, 1]], np.uint8)


def each(rings: Rings) -> list[NDArray[np.int64]]:
    return [rings.points[a:b] for a, b in zip(rings.starts[:-1], rings.starts[1:], strict=True)]


@settings(deadline=None, max_examples=300)
@given(ids=label_maps())
@example(ids=np.zeros((1, 1), np.uint8))
@example(ids=np.array([[0, 1]], np.uint8))
@example(ids=np.array([[0], [1]], np.uint8))
@example(ids=CORNERS)
@example(ids=PINCHED)
@example(ids=nested())
def test_rings_are_the_pieces(ids: NDArray[np.uint8]) -> None:
    """Filled piece by piece they are the map again; areas, classes and turning senses are right."""
    rings = trace(ids, EVERY)
    parts = runs(ids)
    numbers = np.repeat(pieces(parts), parts.lengths).reshape(ids.shape)
    for piece in np.unique(numbers):
        own = np.flatnonzero(rings.pieces == piece)
        np.testing.assert_array_equal(inside([each(rings)[i] for i in own], ids.shape), numbers == piece)
        assert (rings.areas[own] > 0).sum() == 1
    for ring, area, kind, piece in zip(each(rings), rings.areas, rings.ids, rings.pieces, strict=True):
        assert signed_area(ring) == area
        assert kind == ids.reshape(-1)[parts.starts[piece]]
    assert set(rings.pieces) == set(np.unique(numbers))


@settings(deadline=None)
@given(ids=label_maps())
def test_points_are_corners_and_rings_are_simple(ids: NDArray[np.uint8]) -> None:
    for ring in each(trace(ids, EVERY)):
        step = np.roll(ring, -1, 0) - ring
        assert ((step != 0).sum(1) == 1).all()
        assert ((step[:, 0] != 0) != (np.roll(step, -1, 0)[:, 0] != 0)).all()
        assert step[0, 0] != 0  # a horizontal edge first
        assert len(np.unique(ring, axis=0)) == len(ring)


@settings(deadline=None)
@given(ids=label_maps())
def test_only_wanted_classes(ids: NDArray[np.uint8]) -> None:
    wanted = np.zeros(256, np.bool_)
    wanted[[1, 3]] = True
    full = trace(ids, EVERY)
    expected, found = select(full, wanted[full.ids]), trace(ids, wanted)
    assert sorted(map(np.ndarray.tobytes, each(found))) == sorted(map(np.ndarray.tobytes, each(expected)))


def test_bands_have_no_seams(monkeypatch: object) -> None:
    ids = np.random.default_rng(3).integers(0, 3, (40, 30)).astype(np.uint8)
    whole = trace(ids, EVERY)
    monkeypatch.setattr("maskery.encode.vector.contours.BAND_PIXELS", 70)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(trace(ids, EVERY).points, whole.points)


def test_a_class_map_of_16_bits() -> None:
    ids = np.array([[300, 300], [7, 300]], np.uint16)
    rings = trace(ids, np.ones(65536, np.bool_))
    assert sorted(zip(rings.ids.tolist(), rings.areas.tolist(), strict=True)) == [(7, 1), (300, 3)]


def test_nothing_wanted() -> None:
    rings = trace(np.zeros((3, 4), np.uint8), np.zeros(256, np.bool_))
    assert (len(rings.points), rings.starts.tolist(), len(rings.ids)) == (0, [0], 0)
