"""The parts of a picture that a model was shown, one at a time, put together in the picture's pixels.

A pixel in the crops of several faces belongs to the nearest face whose crop has something there, not background.
"Nearest" is measured from the box's middle in units of the box's own size. A parser takes the main face of its crop as
it was trained to and the neighbour's as background or, worse, as the same face, with as much confidence: how probable
it finds its own answer says nothing about whose pixel it is; and one that gives only class ids says no probability.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from maskery.core.arrays import ClassMap, Floats, Positions, Scores
from maskery.core.boxes import BoxXyxy
from maskery.core.picture.rows import steps
from maskery.core.plan import Placement
from maskery.inference.faces.region import Region
from maskery.inference.upsample import resample
from maskery.inference.upsample.certainty import certainty_at
from maskery.inference.upsample.resample import Axis

Decide = Callable[[Scores, Axis, Axis], ClassMap]

BAND_PIXELS = 1 << 18
# Added to the distance of what is background, which gives way to anything else.
FAR = np.float32(1e6)


@dataclass(frozen=True)
class ParsedFace:
    """A face: its box, the ``window`` that the model saw, and what it said there.

    ``placement``: how the window lay before the model. ``scores``: (C, h, w) float32, or class ids as one plane.
    """

    box_xyxy: BoxXyxy
    window: Region
    placement: Placement
    scores: Scores


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """What is pasted on.

    Attributes:
        grid_wh: Pixels of the answer.
        picture_wh: Pixels of the picture that they stand for.
        background: The class of every pixel at first.
        dtype: Element type of the class ids.
        decide: Scores and positions in them -> class ids.
        maps: Those of ``result.MAPS`` that are to be filled as well, by name, (H, W) float32; outside of all crops the
            detector has decided, which counts as certain.
        logits: Whether the scores are logits.
    """

    grid_wh: tuple[int, int]
    picture_wh: tuple[int, int]
    background: int
    dtype: type[np.uint8] | type[np.uint16]
    decide: Decide
    maps: dict[str, Floats]
    logits: bool = True


def certain_maps(names: Sequence[str], size_wh: tuple[int, int]) -> dict[str, Floats]:
    """Maps of a picture of which all is certain."""
    return {name: np.full(size_wh[::-1], 0.0 if name == "entropy" else 1.0, np.float32) for name in names}


def pasted(faces: Sequence[ParsedFace], sheet: Canvas) -> Iterator[ClassMap]:
    """Bands (h, W) of class ids, from top to bottom; ``sheet.maps`` are filled on the way."""
    laid = [one for one in (_lay(face, sheet) for face in faces) if len(one.x.low) and len(one.y.low)]
    width, height = sheet.grid_wh
    for top, bottom in steps(height, max(1, BAND_PIXELS // width)):
        ids = cast(ClassMap, np.full((bottom - top, width), sheet.background, sheet.dtype))
        nearest = np.full(ids.shape, np.inf, np.float32)
        for face in laid:
            first, last = max(top, face.top), min(bottom, face.top + len(face.y.low))
            if first < last:
                _paste(face, first, last, sheet, ids[first - top : last - top], nearest[first - top : last - top])
        yield ids


@dataclass(frozen=True, kw_only=True)
class _Laid:
    """A face on the sheet.

    Attributes:
        scores: (C, h, w) float32, or class ids as one plane.
        left: The sheet's column at which its crop begins.
        top: The row.
        x: Positions in the scores of the columns from there on.
        y: Those of the rows.
        away_x: Squared distances of these columns from the box's middle, in the box's widths.
        away_y: Those of the rows, in its heights.
    """

    scores: Scores
    left: int
    top: int
    x: Axis
    y: Axis
    away_x: Floats
    away_y: Floats


def _lay(face: ParsedFace, sheet: Canvas) -> _Laid:
    (left, top, right, bottom), window = face.box_xyxy, face.window
    (first_x, x), (first_y, y) = (
        _places(window.xyxy[i], window.xyxy[i + 2], sheet.grid_wh[i], sheet.picture_wh[i]) for i in (0, 1)
    )
    scores_wh = (face.scores.shape[2], face.scores.shape[1])
    across, down = resample.axes_at(face.placement, scores_wh, *_in_placement(face, x, y))
    away_x = ((x - (left + right) / 2) / max(right - left, 1.0)) ** 2
    away_y = ((y - (top + bottom) / 2) / max(bottom - top, 1.0)) ** 2
    return _Laid(
        scores=face.scores,
        left=first_x,
        top=first_y,
        x=across,
        y=down,
        away_x=away_x.astype(np.float32),
        away_y=away_y.astype(np.float32),
    )


def _in_placement(face: ParsedFace, x: Positions, y: Positions) -> tuple[Positions, Positions]:
    """Positions in the picture -> in pixels of the window as ``face.placement`` counts them."""
    width, height = face.placement.original_wh
    window = face.window
    return (x - window.left) * (width / window.width), (y - window.top) * (height / window.height)


def _places(start: float, end: float, count: int, length: int) -> tuple[int, Positions]:
    """Of ``count`` pixels that share ``length``: the first whose middle lies from ``start`` to ``end``, and the middles
    of all that do.
    """
    step = length / count
    first = max(0, int(np.ceil(start / step - 0.5)))
    last = min(count, int(np.floor(end / step - 0.5)) + 1)
    return first, (np.arange(first, last) + 0.5) * step


def _paste(face: _Laid, first: int, last: int, sheet: Canvas, ids: ClassMap, nearest: Floats) -> None:
    """Rows ``first`` to ``last`` of a face into the same rows of the sheet."""
    rows, columns = slice(first - face.top, last - face.top), slice(face.left, face.left + len(face.x.low))
    y = face.y.part(rows.start, rows.stop)
    part = sheet.decide(face.scores, face.x, y)
    away = face.away_y[rows, None] + face.away_x
    away += FAR * (part == sheet.background)
    taken = away < nearest[:, columns]
    ids[:, columns][taken] = part[taken]
    nearest[:, columns][taken] = away[taken]
    if sheet.maps:
        certain = certainty_at(face.scores, face.x, y, tuple(sheet.maps), sheet.logits)
        for name, values in certain.items():
            sheet.maps[name][first:last, columns][taken] = values[taken]
