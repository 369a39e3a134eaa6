import io
import json

import numpy as np
import pytest

from maskery.core.errors import BadRequest
from maskery.core.result.capabilities import Result
from maskery.core.result.meta import MAPS
from maskery.encode.options import PLAIN_OPTIONS, Options
from maskery.encode.raster.npz import encode_npz
from tests.encode.results import LABELS, classification, foreground, halves, semantic, with_maps


def loaded(result: Result, options: Options = PLAIN_OPTIONS) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(encode_npz(result, options)), allow_pickle=False) as file:
        return dict(file)


def test_class_map_maps_labels_and_provenance() -> None:
    result = with_maps(halves())
    found = loaded(result)
    assert set(found) == {"class_map", *MAPS, "labels", "provenance"}
    np.testing.assert_array_equal(found["class_map"], halves())
    assert found["class_map"].dtype == np.uint8
    for name in MAPS:
        np.testing.assert_array_equal(found[name], result.maps[name])
    assert tuple(found["labels"]) == LABELS
    assert set(loaded(result, Options(maps=("margin",)))) == {"class_map", "margin", "labels", "provenance"}
    assert json.loads(str(found["provenance"]))["model"]["name"] == "tiny"


def test_the_other_tasks() -> None:
    found = loaded(foreground(halves() * 100))
    np.testing.assert_array_equal(found["alpha"], halves() * 100)
    np.testing.assert_array_equal(found["class_map"], halves() * 100 >= 128)
    np.testing.assert_array_equal(loaded(classification())["scores"], classification().scores)


def test_the_same_result_gives_the_same_bytes() -> None:
    assert encode_npz(semantic(halves()), PLAIN_OPTIONS) == encode_npz(semantic(halves()), PLAIN_OPTIONS)


def test_a_map_that_was_not_made() -> None:
    with pytest.raises(BadRequest, match="no entropy map"):
        encode_npz(semantic(halves()), Options(maps=("entropy",)))
