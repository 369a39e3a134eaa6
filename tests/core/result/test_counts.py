import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskery.core.result import counts
from maskery.core.result.counts import occurrences, occurrences_in


@settings(deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    high=st.sampled_from([1, 2, 9, 255]),
    seed=st.integers(0, 99),
)
def test_counts_and_boxes(height: int, width: int, dtype: type, high: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids = np.zeros((height, width), dtype)
    for _ in range(rng.integers(0, 6)):
        (top, bottom), (left, right) = (sorted(rng.integers(0, n + 1, 2)) for n in (height, width))
        ids[top:bottom, left:right] = rng.integers(0, high, dtype=dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counts, "BAND_BYTES", int(rng.integers(1, 500)))
        found = occurrences(ids)
        cuts = np.sort(rng.integers(0, height + 1, 3))
        assert occurrences_in(np.split(ids, cuts)) == found
    assert [item.id for item in found] == np.unique(ids).tolist()
    for item in found:
        rows, columns = np.nonzero(ids == item.id)
        assert item.pixels == len(rows)
        assert item.box_xyxy == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_ids_beyond_a_byte() -> None:
    ids = np.full((3, 5), 65_535, np.uint16)
    ids[1, 2] = 300
    assert [(item.id, item.pixels, item.box_xyxy) for item in occurrences(ids)] == [
        (300, 1, (2, 1, 3, 2)),
        (65_535, 14, (0, 0, 5, 3)),
    ]
