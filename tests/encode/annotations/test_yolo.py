import numpy as np
from hypothesis import given, settings
from numpy.typing import NDArray

from maskery.encode.annotations.yolo import encode_yolo
from maskery.encode.options import PLAIN_OPTIONS, Options
from tests.encode.reference import inside, label_maps
from tests.encode.results import halves, semantic


def test_a_line_a_piece() -> None:
    assert encode_yolo(semantic(halves()), PLAIN_OPTIONS).decode() == (
        "1 0 0.5 0.5 0.5 0.5 1 0 1\n"
        "2 0.5 0.5 1 0.5 1 1 0.5 1\n"
    )  # fmt: skip
    assert encode_yolo(semantic(halves() * 0), PLAIN_OPTIONS) == b""
    assert encode_yolo(semantic(halves()), Options(min_area=100)) == b""


@settings(deadline=None)
@given(ids=label_maps(classes=3))
def test_the_lines_filled_are_the_class_map(ids: NDArray[np.uint8]) -> None:
    painted = np.zeros(ids.shape, np.uint8)
    for line in encode_yolo(semantic(ids), PLAIN_OPTIONS).decode().splitlines():
        number, *shares = line.split()
        values = np.array(shares, float)
        assert 0 <= values.min() <= values.max() <= 1
        points = values.reshape(-1, 2) * ids.shape[::-1]
        painted[inside([points], ids.shape)] += int(number)
    np.testing.assert_array_equal(painted, ids)
