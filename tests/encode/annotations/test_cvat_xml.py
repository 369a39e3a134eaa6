import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from maskery.encode.annotations.cvat_xml import encode_cvat, sdk_mask
from maskery.encode.options import PLAIN_OPTIONS, Options
from tests.encode.annotations.test_coco import A, B
from tests.encode.reference import inside, label_maps
from tests.encode.results import LABELS, PALETTE, halves, semantic


def filled(lengths: list[int], height: int, width: int) -> NDArray[np.bool_]:
    values = np.arange(len(lengths)) % 2 == 1
    return np.repeat(values, lengths).reshape(height, width)


def unpacked(numbers: list[int], shape: tuple[int, int]) -> NDArray[np.bool_]:
    *lengths, left, top, right, bottom = numbers
    mask = np.zeros(shape, np.bool_)
    mask[top : bottom + 1, left : right + 1] = filled(lengths, bottom + 1 - top, right + 1 - left)
    return mask


def test_known_vectors_of_the_sdk() -> None:
    assert sdk_mask(A == 1) == [0, 6, 1, 1, 3, 2]
    assert sdk_mask(B == 1) == [1, 3, 1, 1, 0, 0, 2, 1]
    assert sdk_mask(np.zeros((3, 4), np.bool_)) == [1, 0, 0, 0, 0]


@given(ids=label_maps(classes=2))
def test_sdk_masks_come_back(ids: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(unpacked(sdk_mask(ids == 1), ids.shape), ids == 1)


def painted(data: bytes, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The image of a CVAT file as a class map; boxes are filled."""
    (image,) = ElementTree.fromstring(data).findall("image")
    found = np.zeros(shape, np.uint8)
    for element in image:
        text = {name: element.get(name) or "" for name in element.attrib}
        number = LABELS.index(text["label"])
        if element.tag == "mask":
            left, top, width, height = (int(text[name]) for name in ("left", "top", "width", "height"))
            lengths = [int(part) for part in text["rle"].split(", ")]
            found[top : top + height, left : left + width] += number * filled(lengths, height, width).astype(np.uint8)
        elif element.tag == "polygon":
            points = [tuple(map(float, point.split(","))) for point in text["points"].split(";")]
            found[inside([points], shape)] += np.uint8(number)
        else:
            left, top, right, bottom = (int(text[name]) for name in ("xtl", "ytl", "xbr", "ybr"))
            found[top:bottom, left:right] = number
    return found


@pytest.mark.parametrize("shape", ["mask", "polygon"])
@settings(deadline=None)
@given(ids=label_maps(classes=3))
def test_masks_and_polygons_are_the_class_map(shape: str, ids: object) -> None:
    assert isinstance(ids, np.ndarray)
    data = encode_cvat(semantic(ids), Options(shape=shape))
    np.testing.assert_array_equal(painted(data, ids.shape), ids)


def test_boxes() -> None:
    np.testing.assert_array_equal(painted(encode_cvat(semantic(halves()), Options(shape="box")), (12, 16)), halves())


def test_head_and_escapes() -> None:
    labels = ("background", 'c<a>t & "dog"', "x")
    options = Options(file_name='a"b<c>&.jpg', min_area=2)
    tree = ElementTree.fromstring(encode_cvat(semantic(halves(), labels, PALETTE), options))
    assert tree.findtext("version") == "1.1"
    assert [e.findtext("name") for e in tree.iter("label")] == list(labels[1:])
    assert [e.findtext("color") for e in tree.iter("label")] == ["#c81e3c", "#0af05a"]
    image = tree.find("image")
    assert image is not None
    assert (image.get("name"), image.get("width"), image.get("height")) == ('a"b<c>&.jpg', "16", "12")
    assert image[0].get("label") == labels[1]
    assert json.loads(tree.findtext("meta/provenance") or "")["left_out"] == {"pieces": 0, "pixels": 0}
    assert encode_cvat(semantic(halves() * 0), PLAIN_OPTIONS).count(b"<mask") == 0
