"""What looking for objects takes tile by tile. The picture is held as a whole; tiles are parts of it."""

from collections.abc import Iterator

from maskery.core.plan import Plan
from maskery.inference import preprocess
from maskery.inference.planning.memory_plan import KEPT_OF_RUN, Moments, PlanRequest, need_of, tensor_bytes, tiles_of


def object_tile_ways(request: PlanRequest) -> Iterator[Plan]:
    """Tiles as they are asked for, then larger ones, which overlap in fewer places."""
    facts, options = request.facts, request.options
    side = options.tile
    while True:
        grid = tiles_of(facts, request.card, "whole", side, options.max_side)
        tile = grid.tile_wh[0] * grid.tile_wh[1]
        running = 4.0 * facts.pixels + tile * (tensor_bytes(request) + request.footprint.run)
        moments = Moments(max(facts.decoding_bytes(), running), 4.0 * facts.pixels, min(running, KEPT_OF_RUN), 0.0)
        need, photo = need_of(request, moments, banded=False)
        yield Plan(
            options=options,
            placement=preprocess.place(facts.size_wh, request.card.input, options.max_side),
            working_wh=grid.tile_wh,
            max_side=options.max_side,
            decode="whole",
            tiles=grid,
            banded=False,
            photo=photo,
            need_bytes=need,
        )
        if grid.count == 1:
            return
        side = 2 * grid.side
