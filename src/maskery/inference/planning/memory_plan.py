"""What working on one picture will take, estimated from its header before it is decoded, and a way that fits.

``need`` is the largest of five moments: decoding, the model's run, the decision at the picture's pixels, reading the
photo that the answer is drawn on, writing the answer. ``tests/inference/planning/test_memory_estimates.py`` holds it
against what processes really took.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from maskery.core.card import ModelCard
from maskery.core.errors import TooLarge
from maskery.core.picture import stream
from maskery.core.picture.orientation import turned_wh
from maskery.core.picture.resize import BAND_ROWS, across_first
from maskery.core.picture.stream import BAND_BYTES
from maskery.core.plan import PLAIN, PLAIN_DEMAND, Decode, Demand, Plan, RunOptions, TileGrid, mib
from maskery.inference import preprocess
from maskery.inference.planning.header import PictureFacts
from maskery.inference.tiles.blend import DECIDE_PIXELS
from maskery.inference.tiles.grid import lay_out, placement_of

# A picture of more pixels is cut into tiles, unless the caller says otherwise.
HUGE_PIXELS = 100_000_000
# A large JPEG is decoded at not less than this many times the working size. The mask then differs from a full
# decode's in about 1 % of the pixels, along borders (docs/benchmarks-engine.md); at 1 it would be 4 ms faster.
REDUCE_TO = 2
# A PNG of more pixels is read in bands also where memory is plenty: with two threads, by the quicker decoder.
QUICK_PIXELS = 1 << 20
# At most this is held of a picture in bands as wide as the model sees it and as high as it is; else fewer rows are.
NARROW_BYTES = 1 << 25
# Bytes a working pixel that a run takes where it was not measured: three times what the built-in models take.
RUN_BYTES = 500.0
# Working copies of bands, small objects, and what the allocator rounds up.
SLACK = 10 << 20
# Of a map in compressed bands, a pixel: several times what photographs take.
BANDED_BYTES = 0.05
# What the allocator keeps at most of what was freed: of decoding while the model runs, of a run afterwards. It maps
# larger blocks by themselves (serving/memory.py), and these go back at once.
KEPT_OF_DECODING, KEPT_OF_RUN = 16 << 20, 32 << 20
SMALLEST_STEP = 16
# Of the working side that was asked for, less is no answer worth giving.
LEAST_SIDE = 1 / 3


@dataclass(frozen=True)
class Footprint:
    """Bytes a working pixel: ``run``, the peak of a run with its output; ``output``, the output alone."""

    run: float = RUN_BYTES
    output: float = 84.0


UNMEASURED = Footprint()


@dataclass(frozen=True, kw_only=True)
class PlanRequest:
    """What is known of a run before it, and asked of it.

    Attributes:
        facts: What the picture's header says.
        card: Of the model.
        demand: What writing the answer takes.
        footprint: What a run takes.
        options: What the caller asks for, checked.
        answer_bytes: What the result holds, its maps included, in bytes a pixel of the answer.
        divisible: Whether the result can be made from tiles and in bands.
    """

    facts: PictureFacts
    card: ModelCard
    demand: Demand = PLAIN_DEMAND
    footprint: Footprint = UNMEASURED
    options: RunOptions = PLAIN
    answer_bytes: int = 1
    divisible: bool = True

    @property
    def answer_pixels(self) -> int:
        width, height = self.options.answer_wh or self.facts.size_wh
        return width * height

    @property
    def tiled(self) -> bool:
        """Whether it is cut into tiles: where that is asked for, or where it is huge and nothing was said."""
        if not self.divisible or self.options.maps:
            return False
        return self.facts.pixels > HUGE_PIXELS if self.options.tile is None else self.options.tile > 0


LARGE_PHOTO = 4_000_000
"""Pixels from which a photo that single objects are drawn on is read in bands."""

Ways = Callable[[PlanRequest], Iterator[Plan]]
"""Ways to work, what is asked for first."""


def choose(request: PlanRequest, budget: int | None = None, ways: Ways | None = None) -> Plan:
    """The plan that is nearest to the request and needs at most ``budget`` bytes; None = whatever it takes.

    ``ways``: other ways to work than in one piece or in tiles.

    Raises ``TooLarge`` where nothing fits, saying which size would; ``BadRequest`` as ``preprocess.place`` and
    ``grid.lay_out`` do.
    """
    first, ways = None, ways or in_one_or_tiles
    for plan in ways(request):
        if budget is None or plan.need_bytes <= budget:
            return replace(plan, budget_bytes=budget, changed=_changes(first or plan, plan))
        first = first or plan
    assert first is not None
    assert budget is not None
    raise TooLarge(
        f"This picture would take {mib(first.need_bytes)} MiB, and there are {mib(budget)} MiB for it.",
        _cure(request, budget, ways),
    )


def reduction(stored_wh: tuple[int, int], content_wh: tuple[int, int]) -> int:
    """By how much a JPEG of ``stored_wh`` may be reduced, 1, 2, 4 or 8, for ``content_wh`` working pixels."""
    spare = min(stored // (REDUCE_TO * content) for stored, content in zip(stored_wh, content_wh, strict=True))
    return next(scale for scale in (8, 4, 2, 1) if spare >= scale or scale == 1)


def tiles_of(facts: PictureFacts, card: ModelCard, decode: Decode, side: int | None, max_side: int | None) -> TileGrid:
    """The tiles of ``side`` pixels of the picture, None = as the working size suggests; of what ``decode`` gives: bands
    come as the picture is stored, the whole comes upright.
    """
    stored = decode == "bands"
    size, turned = (facts.stored_wh, facts.orientation >= 5) if stored else (facts.size_wh, False)
    return lay_out(size, turned, card.input, side, max_side)


def in_one_or_tiles(request: PlanRequest) -> Iterator[Plan]:
    """Ways to work, what is asked for first: read in bands, larger tiles, smaller working sides."""
    if request.tiled:
        side = request.options.tile
        while True:
            for decode in decodes(request, streamed_first=True):
                grid = tiles_of(request.facts, request.card, decode, side, request.options.max_side)
                yield from _tiled(request, grid, decode)
            if grid.count == 1:
                break
            side = 2 * grid.side
    for max_side in sides(request):
        bands_first = request.facts.pixels > HUGE_PIXELS or quick_in_bands(request, max_side)
        for decode in decodes(request, bands_first):
            yield from _in_one(request, max_side, decode)


def decodes(request: PlanRequest, streamed_first: bool) -> Iterator[Decode]:
    """The ways to read the picture, the better one first. libvips is loaded once bands are asked for, not before."""
    if not streamed_first:
        yield "whole"
    if streamed(request):
        yield "bands"
    if streamed_first:
        yield "whole"


def streamed(request: PlanRequest) -> bool:
    return not request.facts.why_whole and stream.available()


def quick_in_bands(request: PlanRequest, max_side: int | None) -> bool:
    """Whether reading in bands takes less time than decoding as a whole, and gives the same pixels."""
    facts = request.facts
    if not facts.plain_png or facts.pixels < QUICK_PIXELS:
        return False
    content = preprocess.place(facts.size_wh, request.card.input, max_side).content_wh
    return across_first(facts.stored_wh, content) and held_narrow(facts.stored_wh, content) <= NARROW_BYTES


def held_narrow(stored_wh: tuple[int, int], content_wh: tuple[int, int]) -> int:
    """Bytes of a picture of ``stored_wh`` brought to the width of ``content_wh``, in our form and in Pillow's."""
    return 7 * content_wh[0] * stored_wh[1]


def sides(request: PlanRequest) -> Iterator[int | None]:
    """The working side of the request, then smaller ones: none for a model of fixed size."""
    yield request.options.max_side
    spec = request.card.input
    if spec.fixed:
        return
    step = -(-SMALLEST_STEP // spec.multiple) * spec.multiple
    longest = max(preprocess.place(request.facts.size_wh, spec, request.options.max_side).working_wh)
    yield from range((longest - 1) // step * step, math.ceil(max(spec.min_side, step, LEAST_SIDE * longest)) - 1, -step)


def _in_one(request: PlanRequest, max_side: int | None, decode: Decode) -> Iterator[Plan]:
    place = preprocess.place(request.facts.size_wh, request.card.input, max_side)
    content = turned_wh(place.content_wh, request.facts.orientation)
    reduce = reduction(request.facts.stored_wh, content) if request.facts.jpeg else 1
    way: Decode = "reduced" if decode == "whole" and reduce > 1 else decode
    reading = reading_bytes(request, way, reduce, content)
    working = place.working_wh[0] * place.working_wh[1]
    running = working * (tensor_bytes(request) + request.footprint.run) + min(reading, KEPT_OF_DECODING)
    deciding, kept = 2 * working * request.footprint.output, min(running, KEPT_OF_RUN)
    moments = Moments(max(reading, running), deciding, kept, kept_of_bands(request, decode, reduce))
    for banded in bandings(request, first=request.facts.pixels > HUGE_PIXELS):
        need, photo = need_of(request, moments, banded)
        yield Plan(
            options=request.options,
            placement=place,
            working_wh=place.working_wh,
            max_side=max_side,
            decode=way,
            reduce=reduce,
            banded=banded,
            photo=photo,
            need_bytes=need,
        )


def _tiled(request: PlanRequest, grid: TileGrid, decode: Decode) -> Iterator[Plan]:
    jpeg = request.facts.jpeg and decode == "bands"
    reduce = reduction(request.facts.stored_wh, grid.content_wh) if jpeg else 1
    tile_pixels = grid.tile_wh[0] * grid.tile_wh[1]
    row_pixels = grid.whole_wh[0] * grid.tile_wh[1]
    reading = reading_bytes(request, decode, reduce, grid.content_wh) + 6 * row_pixels
    if decode == "whole":
        reading += 3 * request.facts.pixels  # it stays while the tiles are read
    scores = row_pixels * request.footprint.output * 2.5
    one_tile = tile_pixels * (tensor_bytes(request) + request.footprint.run)
    kept = kept_of_bands(request, decode, reduce)
    # The bands are still open while the map is made, so what would be kept of them later is among ``reading``.
    deciding = reading + scores - kept
    moments = Moments(reading + scores + one_tile, deciding, min(one_tile, KEPT_OF_RUN), kept)
    turn = request.facts.orientation if decode == "bands" else 1
    for banded in bandings(request, first=True):
        need, photo = need_of(request, moments, banded)
        yield Plan(
            options=request.options,
            placement=placement_of(grid, turn),
            working_wh=turned_wh(grid.tile_wh, turn),
            max_side=request.options.max_side,
            decode=decode,
            reduce=reduce,
            tiles=grid,
            banded=banded,
            photo=photo,
            need_bytes=need,
        )


def bandings(request: PlanRequest, first: bool) -> list[bool]:
    if not request.demand.bands or request.options.maps or not request.divisible:
        return [False]
    return [True, False] if first else [False, True]


@dataclass(frozen=True)
class Moments:
    """Bytes: ``before``, the most before there is a map; ``deciding``, beside the map while it is made; ``kept``, what
    the allocator keeps of a run, and ``kept_of_bands``, of reading in bands: reading so again finds it.
    """

    before: float
    deciding: float
    kept: float
    kept_of_bands: float


def need_of(request: PlanRequest, moments: Moments, banded: bool) -> tuple[int, Decode | None]:
    """The peak in bytes, and how the photo is read."""
    demand, answer = request.demand, request.answer_pixels
    held = answer * (BANDED_BYTES if banded else request.answer_bytes)
    # Of a band while it is decided, or of the whole without its maps.
    copy = 4 * DECIDE_PIXELS if banded else answer * (request.answer_bytes - 4 * len(request.options.maps))
    held += moments.kept + moments.kept_of_bands
    peak = max(moments.before, held + copy + moments.deciding)
    photo: Decode | None = None
    if demand.photo:
        # Of single objects only their runs are held, so that what is drawn on the photo comes band by band.
        objects = demand.bands and not request.divisible and request.facts.pixels >= LARGE_PHOTO
        in_bands = (banded or objects) and streamed(request) and request.facts.orientation == 1
        photo = "bands" if in_bands else "whole"
        if photo == "bands":
            held += max(0.0, request.facts.streaming_bytes() - moments.kept_of_bands)
        else:
            reading = max(request.facts.decoding_bytes(), (request.facts.pillow + 3.0) * request.facts.pixels)
            peak = max(peak, held + reading)
            held += 3.0 * request.facts.pixels
    written = demand.held * answer + request.facts.packed_bytes(demand.shown)
    peak = max(peak, held + copy + written)
    return int(request.facts.source_bytes + peak + SLACK), photo


def reading_bytes(request: PlanRequest, decode: Decode, reduce: int, content_wh: tuple[int, int]) -> float:
    """The moment in which the picture is decoded and brought to ``content_wh``, as it is stored."""
    height = -(-request.facts.stored_wh[1] // reduce)
    if decode == "bands":
        window = (BAND_ROWS + 4) * max(1.0, height / content_wh[1]) * content_wh[0] * 3
        narrow = held_narrow((0, height), content_wh)
        in_flight = 5 * 7 * BAND_BYTES // 3  # made, waiting, at work; each with Pillow's copy
        held = narrow + in_flight if narrow <= NARROW_BYTES else 10 * window
        return request.facts.streaming_bytes(reduce) + held
    return request.facts.decoding_bytes(reduce) + 4 * height * content_wh[0]


def kept_of_bands(request: PlanRequest, decode: Decode, reduce: int) -> float:
    return min(request.facts.streaming_bytes(reduce), KEPT_OF_RUN) if decode == "bands" else 0.0


def tensor_bytes(request: PlanRequest) -> float:
    """Bytes a working pixel of the tensor and of what it is made of."""
    return 3 + 2 * (12 if request.card.input.dtype == "float32" else 3)


def _changes(first: Plan, plan: Plan) -> str:
    """What ``plan`` does otherwise than ``first``, the one that was asked for."""
    words = []
    if plan.decode != first.decode and plan.decode == "bands":
        words.append("read in bands of rows")
    if plan.banded and not first.banded:
        words.append("the map is kept compressed")
    if first.tiles and (plan.tiles is None or plan.tiles.side != first.tiles.side):
        words.append(f"tiles of {plan.tiles.side} pixels instead of {first.tiles.side}" if plan.tiles else "no tiles")
    elif plan.working_wh != first.working_wh:
        words.append("worked at {} x {} pixels instead of {} x {}".format(*plan.working_wh, *first.working_wh))
    if plan.max_faces != first.max_faces:
        words.append(f"at most {plan.max_faces} faces instead of {first.max_faces}")
    return f"To fit the memory: {', '.join(words)}." if words else ""


def _cure(request: PlanRequest, budget: int, ways: Ways) -> str:
    """The size that would fit, and what else would help."""
    size = _fitting(request, budget, ways)
    cures = [f"One of {size[0]} x {size[1]} pixels would fit." if size else "No picture fits: give the server more."]
    if not request.facts.why_whole and not stream.available():
        cures.append("Or let it be read in bands of rows: pip install 'maskery[huge]'.")
    elif request.facts.why_whole:
        cures.append(f"Or save it as a plain PNG or JPEG: {request.facts.why_whole}.")
    elif not request.demand.bands:
        cures.append("Or ask for format mask, color or json, which are written in bands.")
    return " ".join(cures)


def _fitting(request: PlanRequest, budget: int, ways: Ways) -> tuple[int, int] | None:
    """The largest size of the picture's shape, format and compression that fits, to the pixel of its longer side."""
    width, height = request.facts.size_wh
    low, high = 0, max(width, height)
    while high - low > 1:
        middle = (low + high) // 2
        smaller = replace(request, facts=request.facts.scaled(middle / max(width, height)))
        fits = any(plan.need_bytes <= budget for plan in ways(smaller))
        low, high = (middle, high) if fits else (low, middle)
    scale = low / max(width, height)
    return (max(1, int(width * scale)), max(1, int(height * scale))) if low else None
