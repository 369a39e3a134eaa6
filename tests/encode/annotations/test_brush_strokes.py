"""Places along brush strokes, of what our own writer and Label Studio's converter write."""

import numpy as np
import pytest

from maskery.core.errors import BadRequest
from maskery.encode.annotations.brush_strokes import stroke_places
from maskery.encode.annotations.label_studio import brush_rle


@pytest.mark.parametrize("seed", range(8))
def test_places_lie_on_the_stroke_and_all_over_it(seed: int) -> None:
    random = np.random.default_rng(seed)
    width, height = (int(n) for n in random.integers(5, 120, 2))
    mask = np.zeros((height, width), np.bool_)
    top, left = random.integers(0, height), random.integers(0, width)
    mask[top : top + 40, left : left + 9] = random.random() < 0.5 or random.random((min(40, height - top), 1)) < 0.7
    mask[top, left] = True
    places = stroke_places(brush_rle(mask), (width, height), 8)
    assert len(places) == min(8, mask.sum())
    assert all(mask[int(y), int(x)] for x, y in places)
    if mask.sum() >= 8:
        rows = np.flatnonzero(mask.any(1))
        assert max(y for _, y in places) - min(y for _, y in places) >= (rows[-1] - rows[0]) / 2 - 2


def test_the_published_example_and_an_empty_one() -> None:
    rle = bytes([0, 0, 0, 80, 57, 27, 254, 23, 0, 183, 255, 56, 5, 191, 252, 46, 0])  # 5 x 4, the middle 3 x 2
    places = stroke_places(rle, (5, 4), 100)
    assert sorted({(int(x), int(y)) for x, y in places}) == [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)]
    assert stroke_places(brush_rle(np.zeros((4, 5), np.bool_)), (5, 4), 8) == []


@pytest.mark.parametrize("data", [b"", b"\x00" * 7, bytes(9), b"\x00\x00\x00\x50\x39\x1b\xfe", bytes(1 << 19)])
def test_what_is_no_stroke_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequest, match="stroke"):
        stroke_places(data, (5, 4), 8)
