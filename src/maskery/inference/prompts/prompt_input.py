"""What callers send -> a ``Prompt``, and whether it fits a picture."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Floats
from maskery.core.errors import BadRequest
from maskery.core.prompt import Click, CoarseMask, Prompt
from maskery.core.result.instances import CropMask

MOST_CLICKS = 64
"""Of one object; nobody makes more, and each is a run of the decoder."""
MOST_CANDIDATES = 3
COARSE_SIDE = 128
"""Cells, at most, along each side of a mask from before: finer than any model looks at it."""


def fitted(prompt: Prompt, size_wh: tuple[int, int]) -> Prompt:
    """The prompt for a picture of this size: a box is cut to it.

    Raises ``BadRequest`` for what lies outside of it, and where neither a click on the object nor a box says what is
    meant.
    """
    width, height = size_wh
    for click in prompt.clicks:
        if not (0 <= click.x <= width and 0 <= click.y <= height):
            raise BadRequest(
                f"The point {click.x:g}, {click.y:g} lies outside of {width} x {height} pixels.",
                "Points are x, y in pixels of the upright picture, from its left upper corner.",
            )
    if prompt.previous and prompt.previous.picture_wh != size_wh:
        raise BadRequest(f"The previous mask is not one of {width} x {height} pixels.", "Leave previous out.")
    if prompt.box_xyxy is None:
        if prompt.clicks and not any(click.positive for click in prompt.clicks):
            raise BadRequest("No point is on the object.", "Add one with a positive label, or a box.")
        return prompt
    left, top, right, bottom = prompt.box_xyxy
    cut = (max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom))
    if cut[2] - cut[0] < 1 or cut[3] - cut[1] < 1:
        raise BadRequest(
            f"The box {left:g}, {top:g}, {right:g}, {bottom:g} has less than a pixel of {width} x {height}.",
            "Boxes are x1, y1, x2, y2 in pixels of the upright picture.",
        )
    return replace(prompt, box_xyxy=cut)


def prompt_of(
    points: Sequence[Sequence[float | str]] = (),
    labels: Sequence[bool] | None = None,
    box: Sequence[float | str] | None = None,
    previous: CoarseMask | None = None,
) -> Prompt:
    """``points``: (n, 2), x and y; ``labels``: (n,), whether each is on the object, None = all are; ``box``: any two
    opposite corners.

    Raises ``BadRequest`` for what is no finite number, other lengths, and more than ``MOST_CLICKS`` points.
    """
    expect_few(len(points))
    positive = [True] * len(points) if labels is None else list(labels)
    if len(positive) != len(points):
        raise BadRequest(f"There are {len(points)} points and {len(positive)} labels.", "Give a label a point.")
    pairs = (_finite(point, 2, "A point") for point in points)
    clicks = tuple(Click(x, y, bool(on)) for (x, y), on in zip(pairs, positive, strict=True))
    if box is None:
        return Prompt(clicks, None, previous)
    ax, ay, bx, by = _finite(box, 4, "The box")
    return Prompt(clicks, (min(ax, bx), min(ay, by), max(ax, bx), max(ay, by)), previous)


def expect_few(points: int) -> None:
    """Raises ``BadRequest`` for more points than one object needs."""
    if points > MOST_CLICKS:
        raise BadRequest(f"There are {points:,} points.", f"Give at most {MOST_CLICKS} of one object.")


def _finite(values: Sequence[Any], count: int, what: str) -> list[float]:
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError, OverflowError):
        numbers = []
    if len(numbers) != count or not all(math.isfinite(number) for number in numbers):
        cure = "Give x, y." if count == 2 else "Give x1, y1, x2, y2."
        raise BadRequest(f"{what} is not {count} finite numbers.", cure)
    return numbers


def coarse_mask(mask: CropMask, picture_wh: tuple[int, int]) -> CoarseMask | None:
    """A mask -> its rough shape; None where it is empty."""
    if not mask.area:
        return None
    part, (left, top), (width, height) = mask.decoded(), mask.left_top, mask.size_wh
    starts = [_starts(length) for length in part.shape]
    sums = np.add.reduceat(np.add.reduceat(part, starts[0], axis=0, dtype=np.int64), starts[1], axis=1)
    spans = [np.diff(start, append=length) for start, length in zip(starts, part.shape, strict=True)]
    shares = np.rint(sums * (255 / np.outer(spans[0], spans[1]))).astype(np.uint8)
    box = (left, top, left + width, top + height)
    return CoarseMask(picture_wh, box, (shares.shape[1], shares.shape[0]), shares.tobytes())


def _starts(length: int) -> NDArray[np.intp]:
    """Where cells of whole pixels begin, at most ``COARSE_SIDE`` of them."""
    cells = min(length, COARSE_SIDE)
    return (np.arange(cells) * length // cells).astype(np.intp)


def shares_of_cells(mask: CoarseMask) -> Floats:
    """(h, w) float32, 0 to 1: how much of each cell is the object."""
    values: Floats = np.frombuffer(mask.cells, np.uint8).reshape(mask.size_wh[::-1]).astype(np.float32)
    values /= 255
    return values


def check_candidates(count: int) -> int:
    """The same. Raises ``BadRequest`` for a number of candidates that no answer has."""
    if not 1 <= count <= MOST_CANDIDATES:
        raise BadRequest(f"candidates is {count}.", f"Give 1 to {MOST_CANDIDATES}.")
    return count


def text_click(text: str) -> Click:
    """``x,y`` or ``x,y,-``, a click that is not on the object, as the command line and addresses write it.

    Raises ``BadRequest``.
    """
    parts = [part.strip() for part in text.split(",")]
    sign = parts.pop() if len(parts) == 3 else "+"
    if len(parts) != 2 or sign not in ("+", "-"):
        cure = "Write x,y in pixels of the picture, or x,y,- for what is not meant."
        raise BadRequest(f"The point is {text[:80]!r}.", cure)
    (click,) = prompt_of([parts], [sign == "+"]).clicks
    return click


def text_box(text: str) -> tuple[float, float, float, float] | None:
    """``x1,y1,x2,y2``, two opposite corners; None of nothing. Raises ``BadRequest``."""
    return prompt_of(box=[part.strip() for part in text.split(",")]).box_xyxy if text.strip() else None
