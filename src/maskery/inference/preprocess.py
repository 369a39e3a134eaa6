"""Picture -> tensor, and where it lies in the picture. The way back, ``resample``, uses the same ``Placement``."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskery.core.arrays import Tensor
from maskery.core.card_tensors import Input
from maskery.core.errors import BadRequest
from maskery.core.plan import Placement
from maskery.core.result.meta import Frame

Numbers = NDArray[np.float32] | np.float32


def frame_of(placement: Placement, orientation: int, answer_wh: tuple[int, int] | None = None) -> Frame:
    """A placement as results say it; ``answer_wh``: the answer's own grid, where it has one."""
    (width, height), (left, top) = placement.content_wh, placement.offset_xy
    original, working = placement.original_wh, placement.working_wh
    return Frame(
        original_wh=original,
        orientation=orientation,
        working_wh=working,
        scale_xy=(width / original[0], height / original[1]),
        padding=(left, top, working[0] - width - left, working[1] - height - top),
        answer_wh=answer_wh,
    )


def place(original_wh: tuple[int, int], spec: Input, max_side: int | None = None) -> Placement:
    """Choose the working size for an upright picture of ``original_wh`` by the card's resize policy.

    ``max_side`` replaces the policy's size: the longest side of what the model sees. Raises ``BadRequest`` where the
    model's size is fixed or ``max_side`` lies outside the card's bounds.
    """
    if max_side is not None:
        _check_max_side(spec, max_side)
    if spec.fixed:
        assert spec.size is not None
        content = spec.size if spec.resize == "stretch" else _scaled(original_wh, _within(original_wh, spec.size), 1)
        offset = ((spec.size[0] - content[0]) // 2, (spec.size[1] - content[1]) // 2)
        return Placement(original_wh, spec.size, content, offset)
    if spec.resize == "square":
        side = _round(max_side or spec.side or 0, spec.multiple)
        working = (side, side)
    else:
        working = _bounded(original_wh, _policy_scale(original_wh, spec, max_side), spec)
    return Placement(original_wh, working, working, (0, 0))


def _check_max_side(spec: Input, max_side: int) -> None:
    if spec.fixed:
        assert spec.size is not None
        raise BadRequest(
            f"This model works at {spec.size[0]} x {spec.size[1]} pixels only.", "Leave max_side out for this model."
        )
    if not spec.min_side <= max_side <= spec.max_side:
        raise BadRequest(
            f"max_side is {max_side}.", f"This model takes max_side from {spec.min_side} to {spec.max_side}."
        )


def _policy_scale(original_wh: tuple[int, int], spec: Input, max_side: int | None) -> float:
    longest, shortest = max(original_wh), min(original_wh)
    if max_side is not None:
        return max_side / longest
    if spec.resize == "longest-side":
        return (spec.side or longest) / longest
    if spec.resize == "shortest-side":
        return (spec.side or shortest) / shortest
    return 1.0


def _bounded(original_wh: tuple[int, int], scale: float, spec: Input) -> tuple[int, int]:
    scale = min(scale, spec.max_side / max(original_wh))
    width, height = _scaled(original_wh, scale, spec.multiple)
    return min(width, spec.max_side), min(height, spec.max_side)


def _scaled(original_wh: tuple[int, int], scale: float, multiple: int) -> tuple[int, int]:
    return _round(original_wh[0] * scale, multiple), _round(original_wh[1] * scale, multiple)


def _within(original_wh: tuple[int, int], size_wh: tuple[int, int]) -> float:
    return min(size_wh[0] / original_wh[0], size_wh[1] / original_wh[1])


def _round(pixels: float, multiple: int) -> int:
    return max(multiple, multiple * math.floor(pixels / multiple + 0.5))


def to_tensor(picture: NDArray[np.uint8] | Image.Image, placement: Placement, spec: Input) -> Tensor:
    """An upright RGB picture of any resolution, (h, w, 3) uint8 or Pillow's -> (1, 3, H, W) or (1, H, W, 3).

    Pillow resizes and takes the channels apart; of the numbers there is one copy, normalised in place.
    """
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image = _padded(_resized(image, placement.content_wh), placement, spec.pad_value)
    width, height = placement.working_wh
    mean, std = np.array(spec.mean, np.float32), np.array(spec.std, np.float32)
    tensor: Tensor
    if spec.layout == "NHWC":
        tensor = np.empty((1, height, width, 3), spec.dtype)
        _fill(tensor.reshape(height, -1), image, spec.channels, np.tile(mean, width), np.tile(std, width))
        return tensor
    tensor = np.empty((1, 3, height, width), spec.dtype)
    for plane, channel, *numbers in zip(tensor[0], spec.channels, mean, std, strict=True):
        _fill(plane, image, channel, *numbers)
    return tensor


def _fill(values: Tensor, image: Image.Image, channels: str, mean: Numbers, std: Numbers) -> None:
    """Write ``channels`` of ``image`` into ``values``, (h, w) or (h, 3w); floats are normalised."""
    values[...] = np.frombuffer(image.tobytes("raw", channels), np.uint8).reshape(values.shape)
    if values.dtype == np.float32:
        values -= mean
        values /= std


def _resized(image: Image.Image, size_wh: tuple[int, int]) -> Image.Image:
    """The one resize of the pipeline: Pillow's bilinear with area support, so that shrinking does not alias."""
    return image if image.size == size_wh else image.resize(size_wh, Image.Resampling.BILINEAR)


def _padded(content: Image.Image, placement: Placement, value: int) -> Image.Image:
    if placement.working_wh == placement.content_wh:
        return content
    canvas = Image.new("RGB", placement.working_wh, (value, value, value))
    canvas.paste(content, placement.offset_xy)
    return canvas
