import json
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
from hypothesis import given, settings
from numpy.typing import NDArray

from maskery.encode.options import PLAIN_OPTIONS, Options
from maskery.encode.vector.svg import encode_svg
from tests.encode.reference import inside, label_maps
from tests.encode.results import PALETTE, halves, semantic

SVG = "{http://www.w3.org/2000/svg}"


def rings(path: ElementTree.Element) -> list[NDArray[np.int64]]:
    parts = re.findall(r"M([^Mz]+)z", path.get("d") or "")
    return [np.array(part.split(), int).reshape(-1, 2) for part in parts]


@settings(deadline=None)
@given(ids=label_maps(classes=3))
def test_the_drawing_is_the_class_map(ids: NDArray[np.uint8]) -> None:
    tree = ElementTree.fromstring(encode_svg(semantic(ids), PLAIN_OPTIONS))
    painted = np.zeros(ids.shape, np.uint8)
    for path in tree.findall(f"{SVG}path"):
        assert path.get("fill-rule") == "evenodd"
        painted[inside(rings(path), ids.shape)] += int(path.get("data-id") or 0)
    np.testing.assert_array_equal(painted, ids)


def test_size_colours_names_and_provenance() -> None:
    labels = ("background", 'cat & <dog> "x"', "a\0b")
    tree = ElementTree.fromstring(encode_svg(semantic(halves(), labels, PALETTE), Options(min_area=2)))
    assert (tree.get("width"), tree.get("height"), tree.get("viewBox")) == ("16", "12", "0 0 16 12")
    paths = tree.findall(f"{SVG}path")
    assert [path.get("fill") for path in paths] == ["#c81e3c", "#0af05a"]
    assert [path.findtext(f"{SVG}title") for path in paths] == [labels[1], "a\ufffdb"]
    found = json.loads(tree.findtext(f"{SVG}metadata") or "")
    assert found["model"]["name"] == "tiny"
    assert found["left_out"] == {"pieces": 0, "pixels": 0}
