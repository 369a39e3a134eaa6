"""Of boxes of one class that overlap the surest stays."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from maskery.core import boxes as plain
from maskery.inference.objects.suppression import areas, overlaps, shared_areas, suppressed

CORNERS = st.tuples(*[st.integers(0, 20)] * 2, *[st.integers(1, 20)] * 2, st.integers(0, 9), st.integers(0, 2))


@settings(deadline=None)
@given(st.lists(CORNERS, max_size=25), st.sampled_from([0.1, 0.5, 0.9]), st.integers(1, 30))
def test_it_is_the_loop_over_pairs(rows: list[tuple[int, ...]], overlap: float, most: int) -> None:
    boxes = np.array([[x, y, x + w, y + h] for x, y, w, h, _, _ in rows], np.float32).reshape(-1, 4)
    scores, ids = np.array([row[4] / 10 for row in rows], np.float32), np.array([row[5] for row in rows], np.int64)
    expected: list[int] = []
    for place in sorted(range(len(rows)), key=lambda i: -scores[i]):
        rivals = [k for k in expected if ids[k] == ids[place]]
        if all(plain.overlap(tuple(boxes[place].tolist()), tuple(boxes[k].tolist())) <= overlap for k in rivals):
            expected.append(place)
    assert suppressed(boxes, scores, ids, overlap, most).tolist() == expected[:most]


def test_areas_and_overlaps_by_hand() -> None:
    one, others = np.array([0, 0, 10, 10], np.float32), np.array([[5, 0, 15, 10], [20, 20, 30, 30]], np.float32)
    assert areas(others).tolist() == [100, 100]
    assert shared_areas(one, others).tolist() == [50, 0]
    np.testing.assert_allclose(overlaps(one, others), [1 / 3, 0])
    assert overlaps(np.zeros(4, np.float32), np.zeros((1, 4), np.float32)).tolist() == [0]
