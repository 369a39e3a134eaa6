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
from maskery.encode.format import MASKS, PNG, Encoder
from maskery.encode.object_facts import colour_of
from maskery.encode.registry import ENCODERS, encode, find
from maskery.encode.text import hex_colour
from maskery.inference.tasks.registry import TASKS
from tests.encode.results import halves, instances, photo, semantic


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
    colours = [hex_colour(colour_of(one)) for one in instances().instances]
    assert [{key: value for key, value in one.items() if key != "mask"} for one in found["objects"]] == [
        {"id": 1, "class": "dog", "class_id": 2, "score": 0.9, "color": colours[0], "box": [1, 1, 9, 7], "area": 48},
        {"id": 2, "class": "cat", "class_id": 1, "score": 0.75, "track_id": 7, "color": colours[1],
         "box": [6, 4, 12, 10], "area": 36},
        {"id": 3, "class": "dog", "class_id": 2, "score": 0.5, "color": colours[2], "box": [13, 9, 15, 11], "area": 4},
    ]  # fmt: skip
    assert found["objects"][0]["mask"] == {"counts": "=660000000000000c2", "size": [12, 16]}
    assert found["objects"][2]["mask"] is None
    for one in found["objects"]:
        del one["mask"]
    assert json.loads(encode(instances(), "summary")) == found


def test_formats_of_scores_refuse_objects() -> None:
    with pytest.raises(BadRequest, match=r"Formats that do: overlay, overlay-jpeg, mask, .*json, summary, count"):
        encode(instances(), "npy")
