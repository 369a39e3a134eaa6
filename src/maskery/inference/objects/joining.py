"""Objects that were found in overlapping tiles, each once: what a seam cuts is put together again."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskery.core.arrays import Doubles, Floats, Indices, Integers, Mask
from maskery.core.boxes import BoxXyxy
from maskery.core.result.instances import CropMask, crop_mask
from maskery.inference.objects.suppression import areas, overlaps, shared_areas, suppressed

ON_SEAM_IOU, ON_SEAM_INSIDE = 0.5, 0.8
"""Two boxes of one class from two tiles are one object where their parts in what both tiles see overlap by more (IoU),
or the smaller part lies in the other by more than the second share."""
AT_EDGE = 0.02
"""A box that ends so near to its tile's edge, in shares of the tile's side, is cut by it."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TileObjects:
    """Objects of one tile, or of the whole picture.

    Attributes:
        tile: Left, top, right, bottom in pixels of the picture.
        boxes: (N, 4) in pixels of the picture, within the tile.
        scores: (N,), 0..1.
        class_ids: (N,).
        masks: One each, in pixels of the picture; None where there are boxes only.
    """

    tile: BoxXyxy
    boxes: Doubles
    scores: Floats
    class_ids: Integers
    masks: Sequence[CropMask] | None = None


def joined(tiles: Sequence[TileObjects], size_wh: tuple[int, int], overlap: float, most: int) -> TileObjects:
    """The objects of a picture of ``size_wh``, surest first, at most ``most``.

    Of detections of one object the surest that no inner edge cuts stays, as it is; where all are cut, their boxes and
    masks are united. ``overlap``: as of ``suppressed``, which has the last word.
    """
    boxes = np.concatenate([one.boxes for one in tiles]).reshape(-1, 4)
    scores = np.concatenate([one.scores for one in tiles])
    ids = np.concatenate([one.class_ids for one in tiles])
    seen = np.concatenate([np.tile(np.array(one.tile, np.float64), (len(one.boxes), 1)) for one in tiles])
    masks = None if any(one.masks is None for one in tiles) else [mask for one in tiles for mask in one.masks or ()]
    cut = is_cut(boxes, seen, size_wh)
    found: list[tuple[BoxXyxy, float, int, CropMask | None]] = []
    for group in _groups(boxes, scores, ids, seen):
        whole = [place for place in group if not cut[place]]
        used = whole[:1] or group
        left_top, right_bottom = boxes[used, :2].min(0), boxes[used, 2:].max(0)
        box = (float(left_top[0]), float(left_top[1]), float(right_bottom[0]), float(right_bottom[1]))
        mask = united([masks[place] for place in used]) if masks else None
        found.append((box, float(scores[group[0]]), int(ids[group[0]]), mask))
    rows = np.array([one[0] for one in found], np.float64).reshape(-1, 4)
    sure = np.array([one[1] for one in found], np.float32)
    classes = np.array([one[2] for one in found], np.int64)
    stay = suppressed(rows.astype(np.float32), sure, classes, overlap, most)
    return TileObjects(
        tile=(0.0, 0.0, float(size_wh[0]), float(size_wh[1])),
        boxes=rows[stay],
        scores=sure[stay],
        class_ids=classes[stay],
        masks=None if masks is None else [mask for place in stay if (mask := found[place][3]) is not None],
    )


def is_cut(boxes: Doubles, tiles: Doubles, size_wh: tuple[int, int]) -> Mask:
    """(N,): whether each box ends at an edge of its tile that is not the picture's. ``tiles``: (N, 4)."""
    near = AT_EDGE * np.tile(tiles[:, 2:] - tiles[:, :2], 2)
    inner = np.concatenate([tiles[:, :2] > 0, tiles[:, 2:] < np.array(size_wh)], axis=1)
    at_edge: Mask = inner & (np.abs(boxes - tiles) <= near)
    return at_edge[:, 0] | at_edge[:, 1] | at_edge[:, 2] | at_edge[:, 3]


def united(masks: Sequence[CropMask]) -> CropMask:
    """All pixels that any of the masks has."""
    masks = [mask for mask in masks if mask.area] or list(masks[:1])
    if len(masks) == 1:
        return masks[0]
    left, top = (min(mask.left_top[axis] for mask in masks) for axis in (0, 1))
    right, bottom = (max(mask.left_top[axis] + mask.size_wh[axis] for mask in masks) for axis in (0, 1))
    canvas = np.zeros((bottom - top, right - left), np.bool_)
    for mask in masks:
        x, y = mask.left_top[0] - left, mask.left_top[1] - top
        canvas[y : y + mask.size_wh[1], x : x + mask.size_wh[0]] |= mask.decoded()
    packed = crop_mask(canvas)
    return CropMask((packed.left_top[0] + left, packed.left_top[1] + top), packed.size_wh, packed.counts)


def _groups(boxes: Doubles, scores: Floats, ids: Integers, seen: Doubles) -> list[list[int]]:
    """Places of the boxes of one object each, the surest first."""
    first = np.arange(len(boxes))
    for place in range(len(boxes)):
        rest = np.arange(place + 1, len(boxes))
        for other in rest[_same(place, rest, boxes, seen) & (ids[rest] == ids[place])]:
            first[first == first[other]] = first[place]
    order = np.argsort(-scores, kind="stable")
    return [[int(place) for place in order if first[place] == group] for group in dict.fromkeys(first[order].tolist())]


def _same(place: int, rest: Indices, boxes: Doubles, seen: Doubles) -> Mask:
    """(n,): whether each of ``rest``, from other tiles, shows the object of ``place`` where both tiles see it."""
    common = np.concatenate(
        [np.maximum(seen[place, :2], seen[rest, :2]), np.minimum(seen[place, 2:], seen[rest, 2:])], 1
    )
    same: Mask = np.zeros(len(rest), np.bool_)
    for at, (window, other) in enumerate(zip(common, rest, strict=True)):
        if (seen[place] == seen[other]).all() or (window[2:] <= window[:2]).any():
            continue
        one, two = (np.clip(boxes[i], np.tile(window[:2], 2), np.tile(window[2:], 2)) for i in (place, other))
        smaller = min(areas(one[None])[0], areas(two[None])[0])
        if smaller > 0:
            inside = shared_areas(one, two[None])[0] / smaller
            same[at] = inside > ON_SEAM_INSIDE or overlaps(one, two[None])[0] > ON_SEAM_IOU
    return same
