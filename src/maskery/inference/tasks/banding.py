"""Results in bands: of one run, or of many tiles, whose scores are put together before they are decided."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Array, ClassMap, Scores, Tensor
from maskery.core.card import ModelCard
from maskery.core.picture.orientation import BACK, turned, turned_wh
from maskery.core.result.banded import BandedMap, BandedResult, pack
from maskery.inference import preprocess
from maskery.inference.preprocess import Placement
from maskery.inference.tasks import foreground, semantic
from maskery.inference.tasks.base import ModelOutput
from maskery.inference.tiles.blend import ScoreBand, decided, score_bands
from maskery.inference.tiles.grid import TileGrid
from maskery.inference.upsample import resample
from maskery.inference.upsample.resample import Axis


def read(reading: ModelOutput) -> BandedResult:
    """One run's output -> the result in bands."""
    scores = scores_of(reading)
    band = ScoreBand(scores, (scores.shape[2], scores.shape[1]))
    return _result(reading, pack(decided([band], reading.placement, decider(reading.card))))


def read_tiles(
    rows: Iterable[NDArray[np.uint8]],
    grid: TileGrid,
    orientation: int,
    run: Callable[[Tensor], dict[str, Array]],
    reading: ModelOutput,
) -> BandedResult:
    """Bands (h, W, 3) of a picture at ``grid.content_wh`` -> the upright result in bands.

    ``orientation``: the EXIF tag that turns the bands upright. ``run``: the session's. ``reading``: what the result
    takes over; its output is not looked at, of its placement only the answer's size.
    """
    card = reading.card
    tile_wh = turned_wh(grid.tile_wh, orientation)
    tile = Placement(tile_wh, tile_wh, tile_wh, (0, 0))
    whole = Placement(turned_wh(reading.placement.original_wh, orientation), grid.whole_wh, grid.content_wh, (0, 0))

    def look(pixels: NDArray[np.uint8]) -> Scores:
        upright = np.ascontiguousarray(turned(pixels, orientation))
        outputs = run(preprocess.to_tensor(upright, tile, card.input))
        scores = scores_of(replace(reading, outputs=outputs, placement=tile))
        return turned(scores.transpose(1, 2, 0), BACK[orientation]).transpose(2, 0, 1)

    bands = score_bands(rows, grid, look, blend=card.output.role != "class-map")
    return _result(reading, pack(decided(bands, whole, decider(card))).upright(orientation))


def scores_of(reading: ModelOutput) -> Scores:
    """What is decided from, (C, h, w): scores of classes, class ids as one plane, or the foreground's probability."""
    if reading.card.task == "foreground":
        return foreground.probability(reading)
    if reading.card.output.role == "class-map":
        return semantic.class_ids(reading)[None].astype(np.float32)
    return semantic.class_scores(reading)


def decider(card: ModelCard) -> Callable[[Scores, Axis, Axis], ClassMap]:
    if card.task == "foreground":
        return _alpha
    if card.output.role == "class-map":
        dtype = np.uint8 if len(card.labels) <= 255 else np.uint16
        return lambda ids, x, y: resample.nearest(ids[0].astype(dtype), x, y)
    return resample.decide


def _alpha(probability: Scores, x: Axis, y: Axis) -> ClassMap:
    alpha: ClassMap = np.rint(resample.BandReader(probability, x, y).read()[0] * 255).astype(np.uint8)
    return alpha


def _result(reading: ModelOutput, packed: BandedMap) -> BandedResult:
    soft = reading.card.task == "foreground"
    by = f"interpolated probability >= {0.5}" if soft else semantic.decided_by(reading.card)
    return BandedResult(**reading.common, packed=packed, decided_by=by, soft=soft)
