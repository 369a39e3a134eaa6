"""A format takes what has what it needs, also of types that nobody knows, and nothing else."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pytest
from numpy.typing import NDArray

from maskery.core.errors import BadRequest
from maskery.core.result.capabilities import HasClasses
from maskery.core.result.counts import occurrences
from maskery.core.result.meta import ClassShare, Meta
from maskery.encode.annotations.coco_counts import crop_rle
from maskery.encode.format import MASKS, PNG, Encoder
from maskery.encode.registry import ENCODERS, encode, find
from maskery.inference.tasks.registry import TASKS
from tests.encode.results import halves, instances, opened, photo, pixels, semantic


@dataclass(frozen=True)
class DepthResult:
    """Metres to the camera, of every pixel: nothing that a format of today could write."""

    meta: Meta
    metres: NDArray[np.float32]


@dataclass(frozen=True)
class StripesResult:
    """Classes of pixels, but in rows only, and not as any type of the package has them."""

    meta: Meta
    ids: NDArray[np.uint8]
    unlabelled: int = 255
    decided_by: str = "stripes"
    kept: tuple[str, ...] = ()

    @cached_property
    def classes(self) -> tuple[ClassShare, ...]:
        return self.meta.shares(occurrences(self.ids))

    def rows(self) -> Iterator[NDArray[np.uint8]]:
        yield from np.split(self.ids, len(self.ids))

    def keep(self, names: Sequence[str]) -> "StripesResult":
        return replace(self, kept=tuple(names))


META = replace(semantic(halves()).meta, task="depth")
DEPTH = DepthResult(META, np.zeros((12, 16), np.float32))
STRIPES = StripesResult(replace(META, task="stripes"), halves())


@pytest.mark.parametrize("name", ENCODERS)
def test_what_no_format_can_write_is_refused_by_each(name: str) -> None:
    with pytest.raises(BadRequest, match=rf"^{name} does not fit a depth result\. No format does\.$"):
        encode(DEPTH, name, photo((12, 16)))


def test_rows_of_an_unknown_type_are_written_as_those_of_any_other_under_its_own_task() -> None:
    fitting = [name for name, encoder in ENCODERS.items() if encoder.fits(STRIPES)]
    assert fitting == [name for name, encoder in ENCODERS.items() if encoder.bands]
    assert encode(STRIPES, "mask") == encode(semantic(halves()), "mask")
    assert encode(STRIPES, "overlay", photo((12, 16))) == encode(semantic(halves()), "overlay", photo((12, 16)))
    found = json.loads(encode(STRIPES, "summary"))
    assert (found["task"], found["decided_by"]) == ("stripes", "stripes")
    assert [entry["name"] for entry in found["classes"]] == ["background", "cat", "dog"]
    with pytest.raises(BadRequest, match=r"yolo does not fit a stripes result\. Formats that do: overlay, mask, "):
        encode(STRIPES, "yolo")


def test_a_task_of_which_nothing_is_answered_has_no_format() -> None:
    with pytest.raises(BadRequest, match=r"mask does not fit a detector result\. No format does"):
        find("mask", TASKS["detector"])
    assert find("mask", TASKS["semantic"]) is ENCODERS["mask"]


def test_bands_follow_from_what_is_needed() -> None:
    whole = Encoder(name="toy", file=PNG, needs=MASKS, function=bytes)
    assert (whole.bands, whole.demand.bands, whole.suffix) == (False, False, ".png")
    assert replace(whole, needs=(HasClasses,)).demand.bands


def test_objects_are_listed() -> None:
    found = json.loads(encode(instances(), "json"))
    assert found["task"] == "instance"
    assert not {"classes", "mask", "top"} & found.keys()
    listed = json.loads(encode(instances(), "summary"))["objects"]
    for one, other, instance in zip(found["objects"], listed, instances().instances, strict=True):
        mask = one.pop("mask", None)
        assert other == one, "a summary has no masks"
        assert mask == (instance.mask and crop_rle(instance.mask, (16, 12)))
    assert found["objects"] == [
        {"id": 1, "class_id": 2, "name": "dog", "color": "#0af05a", "score": 0.9, "pixels": 48, "box": [1, 1, 9, 7]},
        {"id": 2, "class_id": 1, "name": "cat", "color": "#c81e3c", "score": 0.75, "pixels": 36,
         "box": [6, 4, 12, 10], "track_id": 7},
        {"id": 3, "class_id": 2, "name": "dog", "color": "#0af05a", "score": 0.5, "pixels": 4, "box": [13, 9, 15, 11]},
    ]  # fmt: skip
    assert json.loads(encode(instances(), "summary")) == found


def test_objects_are_drawn_each_with_its_own_border() -> None:
    picture = photo((12, 16))
    found = pixels(encode(instances(), "overlay", picture))
    np.testing.assert_array_equal(found[0], picture[0])
    assert found[3, 1].tolist() == [10, 240, 90]  # the border of a dog, in the colour of its class
    assert found[9, 11].tolist() == [200, 30, 60]
    assert 0 < np.abs(found[3, 4].astype(int) - picture[3, 4]).max() < 200  # inside, half of it
    assert opened(encode(instances(), "overlay-jpeg", picture)).size == (16, 12)


def test_formats_of_class_maps_refuse_objects() -> None:
    with pytest.raises(BadRequest, match="Formats that do: overlay, overlay-jpeg, json, summary, coco"):
        encode(instances(), "mask")
