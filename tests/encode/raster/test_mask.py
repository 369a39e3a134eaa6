import numpy as np

from maskery.encode.raster.mask import encode_mask, encode_mask16
from tests.encode.results import PALETTE, foreground, halves, opened, semantic


def test_pixel_value_is_class_id_and_palette_its_colour() -> None:
    ids = halves()
    picture = opened(encode_mask(semantic(ids)))
    assert picture.mode == "P"
    np.testing.assert_array_equal(np.asarray(picture), ids)
    np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), np.array(PALETTE, np.uint8)[ids])


def test_unlabelled_is_255_and_black() -> None:
    result = semantic(halves(), ("sky", "cat", "dog"), ((9, 9, 9), *PALETTE[1:])).keep(["cat"])
    picture = opened(encode_mask(result))
    assert picture.getpixel((0, 0)) == 255
    assert picture.convert("RGB").getpixel((0, 0)) == (0, 0, 0)
    assert picture.getpixel((0, 11)) == 1


def test_foreground_is_its_hard_decision() -> None:
    alpha = np.array([[0, 127, 128, 255]], np.uint8)
    assert np.asarray(opened(encode_mask(foreground(alpha)))).tolist() == [[0, 0, 1, 1]]


def test_many_classes_make_16_bit_grey() -> None:
    ids = np.array([[0, 299, 65535]], np.uint16)
    labels = tuple(f"class {i}" for i in range(300))
    picture = opened(encode_mask(semantic(ids, labels, ((1, 2, 3),) * 300)))
    assert picture.mode == "I;16"
    np.testing.assert_array_equal(np.asarray(picture), ids)


def test_the_result_stays_as_it_is() -> None:
    ids = halves()
    encode_mask(semantic(ids))
    np.testing.assert_array_equal(ids, halves())


def test_mask16_is_16_bit_grey_whatever_the_classes() -> None:
    result = semantic(halves(), ("sky", "cat", "dog")).keep(["cat"])
    picture = opened(encode_mask16(result))
    assert picture.mode == "I;16"
    np.testing.assert_array_equal(np.asarray(picture), np.where(halves() == 1, 1, 65535))
    wide = halves().astype(np.uint16) * 100
    labels = tuple(map(str, range(300)))
    np.testing.assert_array_equal(np.asarray(opened(encode_mask16(semantic(wide, labels, ((1, 2, 3),) * 300)))), wide)
