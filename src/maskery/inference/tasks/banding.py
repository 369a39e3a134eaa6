"""Results in bands: of one run, or of many tiles, whose scores are put together before they are decided."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Array, Scores, Tensor
from maskery.core.picture.orientation import BACK, turned, turned_wh
from maskery.core.plan import Placement, TileGrid
from maskery.core.result.banded import pack
from maskery.core.result.capabilities import Result
from maskery.inference import preprocess
from maskery.inference.tasks.base import ModelOutput, PerPixel
from maskery.inference.tiles.blend import ScoreBand, decided, score_bands


def read(model_output: ModelOutput, task: PerPixel) -> Result:
    """One run's output -> the result in bands."""
    scores = task.scores(model_output)
    band = ScoreBand(scores, (scores.shape[2], scores.shape[1]))
    return task.banded(model_output, pack(decided([band], model_output.placement, task.decider(model_output.card))))


def read_tiles(
    rows: Iterable[NDArray[np.uint8]],
    grid: TileGrid,
    orientation: int,
    run: Callable[[Tensor], dict[str, Array]],
    model_output: ModelOutput,
    task: PerPixel,
) -> Result:
    """Bands (h, W, 3) of a picture at ``grid.content_wh`` -> the upright result in bands.

    ``orientation``: the EXIF tag that turns the bands upright. ``run``: the session's. ``model_output``: what the
    result takes over; its outputs are not looked at, of its placement only the answer's size.
    """
    card = model_output.card
    tile_wh = turned_wh(grid.tile_wh, orientation)
    tile = Placement(tile_wh, tile_wh, tile_wh, (0, 0))
    whole = Placement(
        turned_wh(model_output.placement.original_wh, orientation), grid.whole_wh, grid.content_wh, (0, 0)
    )

    def look(pixels: NDArray[np.uint8]) -> Scores:
        upright = np.ascontiguousarray(turned(pixels, orientation))
        outputs = run(preprocess.to_tensor(upright, tile, card.input))
        scores = task.scores(replace(model_output, outputs=outputs, placement=tile))
        return turned(scores.transpose(1, 2, 0), BACK[orientation]).transpose(2, 0, 1)

    bands = score_bands(rows, grid, look, blend=card.output.role != "class-map")
    return task.banded(model_output, pack(decided(bands, whole, task.decider(card))).upright(orientation))
