"""What an image processor of ``transformers`` does to a picture -> the ``[input]`` of a card."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from maskery.core.card_tensors import Input, Resize
from maskery.core.errors import ModelError
from maskery.models.importers.draft import INPUT

MULTIPLE = 32
MAX_SIDE = 2048
USUAL_SIDE = 512
BILINEAR = 2

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Room:
    """Which sizes a network takes. ``free``: any, to be tried; ``own_wh``: of a network built for one size only."""

    free: bool
    own_wh: tuple[int, int] | None = None


def inputs_of(processor: Mapping[str, Any], room: Room, side: int | None, notes: list[str]) -> tuple[Input, ...]:
    """The ways to give pictures to the network, a free size first; ``processor``: its ``to_dict()``.

    ``side``: pixels, in place of the processor's size. What is done otherwise than by the processor is added to
    ``notes``. Raises ``ModelError`` for a size that is not understood.
    """
    numbers = _numbers(processor, notes)
    size = dict(processor.get("size") or {}) if processor.get("do_resize") else {}
    if processor.get("do_center_crop"):
        notes.append("the processor cuts out the picture's centre; here the whole picture is looked at")
    if size and processor.get("resample") not in (BILINEAR, None):
        notes.append("pictures are resized bilinearly, by the processor another way (resample)")
    if processor.get("do_split_image"):
        notes.append("the processor looks at long pictures in several squares; here they are looked at in one")
    fixed = _fixed(processor, size, room, side, numbers, notes)
    return (_free(size, side, numbers, notes), fixed) if room.free else (fixed,)


def _numbers(processor: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """channels, mean and std: value = (pixel - mean) / std, pixel 0..255."""
    factor = float(processor.get("rescale_factor", 1 / 255)) if processor.get("do_rescale", True) else 1.0
    flips = processor.get("do_flip_channel_order")
    # A processor that knows how to flip does not normalise, whatever its file says of mean and std.
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if processor.get("do_normalize") and flips is None:
        mean, std = _triple(processor, "image_mean"), _triple(processor, "image_std")
    if flips:
        notes.append("channels in the order blue, green, red, as the processor gives them")
    return {
        "channels": "BGR" if flips else "RGB",
        "mean": tuple(_rounded(value / factor) for value in mean),
        "std": tuple(_rounded(value / factor) for value in std),
    }


def _triple(processor: Mapping[str, Any], key: str) -> Triple:
    values = processor.get(key)
    values = [values] * 3 if isinstance(values, int | float) else values
    if not isinstance(values, list | tuple) or len(values) != 3:
        raise ModelError(f"preprocessor_config.json: {key} is {values!r}.", "Pictures must have three channels.")
    return float(values[0]), float(values[1]), float(values[2])


def _rounded(value: float) -> float:
    return round(value, 6)


def _free(size: Mapping[str, int], side: int | None, numbers: dict[str, Any], notes: list[str]) -> Input:
    """Any size: the processor's own policy, both sides rounded to multiples."""
    resize, pixels, most = _policy(size, notes)
    most = max(most, side or 0) // MULTIPLE * MULTIPLE
    return Input(
        tensor=INPUT, layout="NCHW", resize=resize, side=side or pixels, multiple=MULTIPLE, max_side=most, **numbers
    )


def _policy(size: Mapping[str, int], notes: list[str]) -> tuple[Resize, int, int]:
    """(policy, side, largest side) of a processor's ``size``."""
    if "shortest_edge" in size:
        return "shortest-side", size["shortest_edge"], max(size.get("longest_edge", MAX_SIDE), size["shortest_edge"])
    if "longest_edge" in size:
        return "longest-side", size["longest_edge"], MAX_SIDE
    if "height" in size and "width" in size:
        if size["height"] == size["width"]:
            notes.append(f"pictures are stretched to a square of {size['height']}, as the processor does")
            return "square", size["height"], MAX_SIDE
        notes.append(f"the processor stretches pictures to {size['width']} x {size['height']}; here not")
        return "longest-side", max(size["height"], size["width"]), MAX_SIDE
    if size:
        raise ModelError(f"preprocessor_config.json: size is {dict(size)}.", "Give --side PIXELS.")
    notes.append(f"guessed: the longest side becomes {USUAL_SIDE} pixels, as the processor does not resize")
    return "longest-side", USUAL_SIDE, MAX_SIDE


def _fixed(
    processor: Mapping[str, Any],
    size: Mapping[str, int],
    room: Room,
    side: int | None,
    numbers: dict[str, Any],
    notes: list[str],
) -> Input:
    """One size: stretched where the processor stretches, else with the aspect kept and the rest padded."""
    crop = dict(processor.get("crop_size") or {}) if processor.get("do_center_crop") else {}
    stretched = "height" in size and not processor.get("keep_aspect_ratio")
    if side or room.own_wh:
        width, height = (side, side) if side else room.own_wh or (0, 0)
    elif stretched or "height" in crop:
        sizes = size if stretched else crop
        width, height = sizes["width"], sizes["height"]
    else:
        square = max(size.get("shortest_edge", 0), size.get("height", 0)) or size.get("longest_edge", USUAL_SIDE)
        width = height = max(MULTIPLE, square // MULTIPLE * MULTIPLE)
    if not room.free:
        how = "stretched to" if stretched else "fitted with their aspect into"
        notes.append(f"the network takes one size: pictures are {how} {width} x {height}")
    # The padding becomes zero, or the middle of what the network knows.
    grey = min(255, max(0, round(sum(numbers["mean"]) / 3)))
    return Input(
        tensor=INPUT,
        layout="NCHW",
        resize="stretch" if stretched else "letterbox",
        size=(width, height),
        pad_value=grey,
        **numbers,
    )
