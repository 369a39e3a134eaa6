from typing import Any

import pytest

from maskery.core.card_tensors import Input
from maskery.core.errors import ModelError
from maskery.models.importers.hf_input import Room, inputs_of

FREE, FIXED = Room(free=True), Room(free=False)
USUAL: dict[str, Any] = {
    "do_resize": True,
    "size": {"height": 512, "width": 512},
    "resample": 2,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.2, 0.25],
}


def first(room: Room = FREE, side: int | None = None, **changes: Any) -> tuple[Input, list[str]]:
    notes: list[str] = []
    return inputs_of(USUAL | changes, room, side, notes)[0], notes


def test_numbers_are_in_units_of_pixels() -> None:
    spec, _ = first()
    assert spec.mean == pytest.approx((127.5, 102, 76.5))
    assert spec.std == pytest.approx((51, 51, 63.75))
    assert first(do_normalize=False)[0].std == pytest.approx((255, 255, 255))
    assert first(do_rescale=False)[0].mean == pytest.approx((0.5, 0.4, 0.3))
    assert first(image_mean=0.5, image_std=0.5)[0].mean == (127.5,) * 3


def test_grey_processor() -> None:
    with pytest.raises(ModelError, match="image_mean"):
        first(image_mean=[0.5])


def test_processor_that_flips_does_not_normalise() -> None:
    spec, notes = first(do_flip_channel_order=True)
    assert spec.channels == "BGR"
    assert (spec.mean, spec.std) == ((0, 0, 0), pytest.approx((255, 255, 255)))
    assert any("blue, green, red" in note for note in notes)
    assert first(do_flip_channel_order=False)[0].channels == "RGB"


def test_sizes_where_any_goes() -> None:
    spec, notes = first()
    assert (spec.resize, spec.side, spec.multiple) == ("square", 512, 32)
    assert any("stretched" in note for note in notes)
    spec, notes = first(size={"shortest_edge": 800, "longest_edge": 1333})
    assert (spec.resize, spec.side, spec.max_side) == ("shortest-side", 800, 1312)
    assert notes == []
    assert first(size={"longest_edge": 640})[0].resize == "longest-side"
    spec, notes = first(size={"height": 512, "width": 1024})
    assert (spec.resize, spec.side) == ("longest-side", 1024)
    assert any("1024 x 512" in note for note in notes)
    assert first(side=256)[0].side == 256
    assert first(side=4096)[0].max_side == 4096
    spec, notes = first(do_resize=False)
    assert (spec.resize, spec.side) == ("longest-side", 512)
    assert any("does not resize" in note for note in notes)
    with pytest.raises(ModelError, match="size is"):
        first(size={"max_pixels": 7})


def test_one_size() -> None:
    spec, notes = first(FIXED)
    assert (spec.resize, spec.size) == ("stretch", (512, 512))
    assert notes == ["the network takes one size: pictures are stretched to 512 x 512"]
    crop = {"do_center_crop": True, "crop_size": {"height": 512, "width": 480}}
    spec, notes = first(FIXED, size={"shortest_edge": 544}, **crop)
    assert (spec.resize, spec.size) == ("letterbox", (480, 512))
    assert any("cuts out" in note for note in notes)
    spec, _ = first(FIXED, size={"shortest_edge": 800, "longest_edge": 1333})
    assert (spec.resize, spec.size) == ("letterbox", (800, 800))
    assert spec.pad_value == 102
    spec, _ = first(FIXED, keep_aspect_ratio=True)
    assert (spec.resize, spec.size) == ("letterbox", (512, 512))
    assert first(Room(free=False, own_wh=(384, 384)))[0].size == (384, 384)
    assert first(FIXED, side=256)[0].size == (256, 256)


def test_what_is_not_done_as_the_processor_does_is_said() -> None:
    assert any("resample" in note for note in first(resample=3)[1])
    assert any("several squares" in note for note in first(do_split_image=True)[1])


def test_free_first_then_fixed() -> None:
    assert [spec.fixed for spec in inputs_of(USUAL, FREE, None, [])] == [False, True]
    assert [spec.fixed for spec in inputs_of(USUAL, FIXED, None, [])] == [True]
