"""Single objects of a large picture, tile by tile, and of all of it once, so that small and large ones are found."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from maskery.core.arrays import Array, Pixels, Tensor
from maskery.core.card import MOST_OBJECTS
from maskery.core.plan import TileGrid
from maskery.core.result.instances import CropMask
from maskery.inference import preprocess
from maskery.inference.objects.joining import TileObjects, joined
from maskery.inference.objects.resize_back import boxes_in_picture, cut_boxes
from maskery.inference.tasks.base import ModelOutput
from maskery.inference.tasks.objects import expect_room, kept, limits, listed, masks_of

Corners = tuple[int, int, int, int]


def objects_in_tiles(
    pixels: Pixels, grid: TileGrid, run: Callable[[Tensor], dict[str, Array]], model_output: ModelOutput
) -> TileObjects:
    """The objects of an upright picture (H, W, 3), each once, surest first, in its own pixels.

    ``model_output``: of the whole picture; its outputs are not looked at. Raises ``ModelError``, ``TooLarge``.
    """
    size_wh = (pixels.shape[1], pixels.shape[0])
    everything = (0, 0, *size_wh)
    tiles = list(tiles_in_picture(grid))
    found = [_look(pixels, tile, run, model_output) for tile in dict.fromkeys([*tiles, everything])]
    _, overlap, most = limits(model_output)
    return joined(found, size_wh, overlap, most)


def tiles_in_picture(grid: TileGrid) -> Iterator[Corners]:
    """Left, top, right, bottom of each tile in whole pixels of the picture."""
    (width, height), (content_w, content_h) = grid.picture_wh, grid.content_wh
    x, y = width / content_w, height / content_h
    for top in grid.tops:
        for left in grid.lefts:
            right, bottom = left + grid.tile_wh[0], top + grid.tile_wh[1]
            corners = (round(left * x), round(top * y), min(width, round(right * x)), min(height, round(bottom * y)))
            if corners[2] > corners[0] and corners[3] > corners[1]:
                yield corners


def _look(
    pixels: Pixels, tile: Corners, run: Callable[[Tensor], dict[str, Array]], model_output: ModelOutput
) -> TileObjects:
    left, top, right, bottom = tile
    spec, plan = model_output.card.input, model_output.plan
    place = preprocess.place((right - left, bottom - top), spec, plan.max_side if plan else None)
    outputs = run(preprocess.to_tensor(np.ascontiguousarray(pixels[top:bottom, left:right]), place, spec))
    output = replace(model_output, outputs=outputs, placement=place)
    found = kept(output, MOST_OBJECTS)
    boxes = boxes_in_picture(found.boxes, place)
    cut = cut_boxes(boxes, place.original_wh)
    masks = None
    if found.mask_of:
        expect_room(listed(cut), place.original_wh[0] * place.original_wh[1])
        masks = [_moved(mask, (left, top)) for mask in masks_of(found, boxes, output)]
    return TileObjects(
        tile=(left, top, right, bottom),
        boxes=cut + np.array([left, top, left, top]),
        scores=found.scores,
        class_ids=found.class_ids,
        masks=masks,
    )


def _moved(mask: CropMask, by: tuple[int, int]) -> CropMask:
    return CropMask((mask.left_top[0] + by[0], mask.left_top[1] + by[1]), mask.size_wh, mask.counts)
