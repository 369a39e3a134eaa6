"""Boxes to learn from: a JSON line a picture, ``{"picture", "size_wh", "boxes", "ignored"}``.

``boxes``: [x0, y0, x1, y1, class, weight] in pixels of the upright picture; ``weight`` 0..1 says how sure a box is.
``ignored``: [x0, y0, x1, y1, class], where nothing is learnt about the class, -1 = about any.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from maskery.core.arrays import Floats
from maskery.core.errors import DataError

LEAST_SIDE = 3.0
"""Pixels of the view: smaller boxes are not judged."""


class BoxLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the file."""

    picture: str
    size_wh: tuple[int, int]
    boxes: list[tuple[float, float, float, float, int, float]]
    ignored: list[tuple[float, float, float, float, int]]


@dataclass(frozen=True, eq=False)
class Targets:
    """``boxes`` (N, 6) and ``ignored`` (M, 5), float32, as in the file, in pixels of a view."""

    boxes: Floats
    ignored: Floats


@dataclass(frozen=True)
class PictureView:
    """What of a picture is shown: x of the view = x of the picture * ``scale`` + ``offset_xy[0]``, then mirrored."""

    scale: float
    offset_xy: tuple[float, float]
    mirrored: bool


def read_box_lines(path: Path, classes: int) -> list[BoxLine]:
    """Raises ``DataError`` for a file that cannot be read, a damaged line and an unknown class, with its number."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.", "Make it; the recipe says how.") from error
    found = list[BoxLine]()
    for number, line in enumerate(lines, 1):
        try:
            one = msgspec.json.decode(line, type=BoxLine)
        except msgspec.DecodeError as error:
            raise DataError(f"{path}, line {number}: {error}.", "Make the file again.") from error
        if any(not 0 <= box[4] < classes for box in one.boxes) or any(
            not -1 <= box[4] < classes for box in one.ignored
        ):
            raise DataError(f"{path}, line {number}: a class is none of {classes}.", "Correct data.labels.")
        found.append(one)
    if not found:
        raise DataError(f"{path} has no pictures.", "Make the file again.")
    return found


def draw_view(
    size_wh: tuple[int, int], side: int, number: int, zoom: tuple[float, float], rng: np.random.Generator
) -> PictureView:
    """View ``number`` of a picture in a square of ``side`` pixels: 0 is all of it, in the middle."""
    fitted = side / max(size_wh)
    if number == 0:
        return PictureView(fitted, _middle(size_wh, fitted, side), False)
    scale = fitted * float(np.exp(rng.uniform(*np.log(zoom))))
    offsets = [float(rng.uniform(min(0, side - s * scale), max(0, side - s * scale))) for s in size_wh]
    return PictureView(scale, (round(offsets[0]), round(offsets[1])), number % 2 == 1)


def _middle(size_wh: tuple[int, int], scale: float, side: int) -> tuple[float, float]:
    width, height = (max(1, round(s * scale)) for s in size_wh)
    return (side - width) // 2, (side - height) // 2


def targets_of(line: BoxLine, view: PictureView, side: int) -> Targets:
    """What is left of the boxes in a view of ``side`` pixels.

    Of a box that is cut, the rest stays where it is more than a third; else it is not judged, as a tiny one.
    """
    boxes = np.array(line.boxes, np.float32).reshape(-1, 6)
    ignored = np.array(line.ignored, np.float32).reshape(-1, 5)
    moved, whole = _moved(boxes, view, side)
    rest, _ = _moved(ignored, view, side)
    size = moved[:, 2:4] - moved[:, :2]
    kept = (size.min(1, initial=np.inf) >= LEAST_SIDE) & (size.prod(1) > whole / 3)
    unclear = moved[~kept & (size.min(1, initial=np.inf) > 0), :5]
    there = (rest[:, 2:4] - rest[:, :2]).min(1, initial=np.inf) > 0
    return Targets(moved[kept], np.concatenate([rest[there], unclear]))


def _moved(rows: Floats, view: PictureView, side: int) -> tuple[Floats, Floats]:
    """Boxes in the view, cut at its rim, and the areas of the whole ones."""
    moved = rows.copy()
    moved[:, :4] = rows[:, :4] * view.scale + np.array([*view.offset_xy, *view.offset_xy], np.float32)
    if view.mirrored:
        moved[:, [0, 2]] = side - moved[:, [2, 0]]
    whole = (moved[:, 2:4] - moved[:, :2]).prod(1)
    moved[:, :4] = moved[:, :4].clip(0, side)
    return moved, whole
