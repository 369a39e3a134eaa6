import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import maskery
from maskery.core.errors import BadRequest
from maskery.core.result.capabilities import Result
from maskery.core.result.meta import MAPS
from maskery.encode.options import PLAIN_OPTIONS, Options
from maskery.encode.raster.npz import decode_npz, encode_npz
from tests.encode.results import LABELS, classification, foreground, halves, semantic, with_maps
from tests.material import photo as picture


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


@pytest.mark.parametrize(
    "result",
    [
        with_maps(halves()),
        semantic(halves()).keep(("cat",)),
        replace(foreground(np.arange(192, dtype=np.uint8).reshape(12, 16)), threshold=0.3),
        classification(),
    ],
    ids=["maps", "kept", "foreground", "classification"],
)
def test_with_details_the_result_comes_back_as_it_was(result: Any) -> None:
    again: Any = decode_npz(encode_npz(result, Options(details=True)))
    assert type(again) is type(result)
    assert again.meta == result.meta
    assert (again.meta.plan, again.meta.timings_ms) == (result.meta.plan, result.meta.timings_ms)
    for name in ("class_map", "alpha", "scores"):
        mine, other = getattr(result, name, None), getattr(again, name, None)
        assert np.array_equal(mine, other)
        assert getattr(mine, "dtype", None) == getattr(other, "dtype", None)
    for name in ("decided_by", "kept", "threshold"):
        assert getattr(again, name, None) == getattr(result, name, None)
    for name, values in getattr(result, "maps", {}).items():
        assert np.array_equal(again.maps[name], values)


def test_what_is_no_result_with_details_is_refused() -> None:
    whole = encode_npz(semantic(halves()), Options(details=True))
    for data in (b"", b"PK", whole[:400], encode_npz(semantic(halves()), PLAIN_OPTIONS)):
        with pytest.raises(ValueError, match="no result with its details"):
            decode_npz(data)


@pytest.mark.parametrize(("model", "tile"), [("everyday", None), ("everyday", 200), ("faces", None)])
def test_plan_tiles_and_faces_come_back_too(model: str, tile: int | None) -> None:
    result = maskery.load(model).segment(picture("astronaut"), tile=tile).result
    assert result.meta.plan is not None
    again = decode_npz(encode_npz(result, Options(details=True)))
    assert again.meta == result.meta
    assert again.meta.plan == result.meta.plan
    assert (again.meta.faces is not None) == (model == "faces")
