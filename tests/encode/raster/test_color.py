import numpy as np

from maskery.encode.raster.mask import encode_color
from tests.encode.results import PALETTE, foreground, halves, opened, pixels, semantic


def test_true_rgb_of_the_palette() -> None:
    ids = halves(300, 400)
    picture = opened(encode_color(semantic(ids)))
    assert picture.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(picture), np.array(PALETTE, np.uint8)[ids])


def test_foreground() -> None:
    assert pixels(encode_color(foreground(np.array([[0, 255]], np.uint8)))).tolist() == [[[0, 0, 0], list(PALETTE[1])]]


def test_many_classes_and_no_class() -> None:
    colours = tuple((i % 256, i // 256, 7) for i in range(300))
    ids = np.array([[0, 299, 65535]], np.uint16)
    found = pixels(encode_color(semantic(ids, tuple(map(str, range(300))), colours)))
    assert found.tolist() == [[[0, 0, 7], [43, 1, 7], [0, 0, 0]]]
