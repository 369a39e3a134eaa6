import json

import numpy as np
from hypothesis import given, settings
from numpy.typing import NDArray

from maskery.encode.annotations.labelme import encode_labelme
from maskery.encode.options import PLAIN_OPTIONS, Options
from tests.encode.reference import inside, label_maps
from tests.encode.results import LABELS, halves, semantic


@settings(deadline=None)
@given(ids=label_maps(classes=3))
def test_the_shapes_filled_are_the_class_map(ids: NDArray[np.uint8]) -> None:
    found = json.loads(encode_labelme(semantic(ids), PLAIN_OPTIONS))
    painted = np.zeros(ids.shape, np.uint8)
    for shape in found["shapes"]:
        painted[inside([shape["points"]], ids.shape)] += LABELS.index(shape["label"])
    np.testing.assert_array_equal(painted, ids)


def test_the_keys_that_labelme_reads() -> None:
    found = json.loads(encode_labelme(semantic(halves()), Options(file_name="cat.jpg")))
    assert {k: found[k] for k in ("imagePath", "imageData", "imageHeight", "imageWidth", "flags")} == {
        "imagePath": "cat.jpg",
        "imageData": None,
        "imageHeight": 12,
        "imageWidth": 16,
        "flags": {},
    }
    assert found["shapes"][0] == {
        "label": "cat",
        "points": [[0.0, 6.0], [8.0, 6.0], [8.0, 12.0], [0.0, 12.0]],
        "group_id": None,
        "description": "",
        "shape_type": "polygon",
        "flags": {},
        "mask": None,
    }
    assert found["provenance"]["model"]["name"] == "tiny"
