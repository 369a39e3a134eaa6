"""Boxes and masks as a network gives them -> the picture's own pixels: the one way back, for every model of objects.

A working pixel x stands for ``(x - offset) * original / content`` of the picture, with pixel edges at whole numbers and
middles at a half; ``upsample.resample`` has the same convention.
"""

import math

import numpy as np

from maskery.core.arrays import Doubles, Floats, Indices
from maskery.core.boxes import BoxXyxy
from maskery.core.plan import Placement
from maskery.core.result.instances import CropMask, crop_mask
from maskery.inference.upsample import resample
from maskery.inference.upsample.cells import Axis

NOTHING = CropMask((0, 0), (0, 0), np.zeros(1, np.int64))


def boxes_in_picture(boxes: Floats, placement: Placement) -> Doubles:
    """(N, 4) in working pixels -> (N, 4) in pixels of ``placement.original_wh``; they may reach beyond it."""
    offset, content, original = (
        np.array([*pair, *pair], np.float64)
        for pair in (placement.offset_xy, placement.content_wh, placement.original_wh)
    )
    moved: Doubles = (boxes - offset) * (original / content)
    return moved


def cut_boxes(boxes: Doubles, size_wh: tuple[int, int]) -> Doubles:
    """(N, 4) in pixels of a picture of ``size_wh`` -> the same, cut at its edges."""
    cut: Doubles = np.clip(boxes, 0, np.array([*size_wh, *size_wh], np.float64))
    return cut


def mask_in_box(logits: Floats, placement: Placement, box: BoxXyxy) -> CropMask:
    """(h, w) of the working picture -> the pixels of ``box`` whose interpolated logit is above 0.

    ``box``: in pixels of the picture, within it. A pixel is in the box where its middle is.
    """
    columns, rows = _middles(box[0], box[2]), _middles(box[1], box[3])
    return _decided(logits, columns, rows, placement)


def mask_of_box(logits: Floats, box: BoxXyxy, size_wh: tuple[int, int]) -> CropMask:
    """(h, w) of all of ``box`` -> the pixels of the picture, of ``size_wh``, whose interpolated logit is above 0.

    ``box``: in pixels of the picture; it may reach beyond it.
    """
    left, top, right, bottom = box
    columns = _middles(max(0.0, left), min(float(size_wh[0]), right))
    rows = _middles(max(0.0, top), min(float(size_wh[1]), bottom))
    if not len(columns) or not len(rows):
        return NOTHING
    height, width = logits.shape
    x = _axis((columns + 0.5 - left) * (width / (right - left)) - 0.5, width)
    y = _axis((rows + 0.5 - top) * (height / (bottom - top)) - 0.5, height)
    return _packed(logits, x, y, (int(columns[0]), int(rows[0])))


def _middles(start: float, stop: float) -> Indices:
    """The whole pixels whose middles lie from ``start`` to below ``stop``."""
    return np.arange(math.ceil(start - 0.5), math.ceil(stop - 0.5))


def _decided(logits: Floats, columns: Indices, rows: Indices, placement: Placement) -> CropMask:
    if not len(columns) or not len(rows):
        return NOTHING
    x, y = resample.axes_at(placement, (logits.shape[1], logits.shape[0]), columns + 0.5, rows + 0.5)
    return _packed(logits, x, y, (int(columns[0]), int(rows[0])))


def _axis(centre: Doubles, count: int) -> Axis:
    centre = np.clip(centre, 0, count - 1)
    low = centre.astype(np.intp)
    return Axis(low, np.minimum(low + 1, count - 1), (centre - low).astype(np.float32))


def _packed(logits: Floats, x: Axis, y: Axis, corner: tuple[int, int]) -> CropMask:
    """Only the logits that the axes look at are compared with 0."""
    left, top = int(x.low[0]), int(y.low[0])
    part = logits[top : int(y.high[-1]) + 1, left : int(x.high[-1]) + 1]
    if not (part > 0).any():
        return NOTHING
    scores = np.stack([np.zeros_like(part, np.float32), part.astype(np.float32, copy=False)])
    x, y = (Axis(a.low - start, a.high - start, a.weight) for a, start in ((x, left), (y, top)))
    mask = crop_mask(resample.decide(scores, x, y).view(np.bool_))
    if not mask.area:
        return NOTHING
    return CropMask((mask.left_top[0] + corner[0], mask.left_top[1] + corner[1]), mask.size_wh, mask.counts)
