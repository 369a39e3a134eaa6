"""What a picture takes that is embedded and asked about. The moments are those of ``memory_plan``."""

from collections.abc import Iterator

from maskery.core.picture.orientation import turned_wh
from maskery.core.plan import Plan
from maskery.inference import preprocess
from maskery.inference.planning.memory_plan import (
    HUGE_PIXELS,
    KEPT_OF_DECODING,
    KEPT_OF_RUN,
    Moments,
    PlanRequest,
    decodes,
    kept_of_bands,
    need_of,
    reading_bytes,
    tensor_bytes,
)

KEPT_SIDE = 1536
"""The longest side, in pixels, at which a picture is kept: a window of a fifth of it is still seen in full detail."""
BOX_SIZE, BATCH = 192, 8
"""Pixels of the window of each of many boxes, and boxes in one run."""
COPIES = 2
"""Of the kept pixels: those that are kept, and what they are made from."""


def prompt_ways(request: PlanRequest) -> Iterator[Plan]:
    """Ways to read the picture, what is asked for first."""
    facts = request.facts
    kept_wh = kept_size(facts.size_wh)
    place = preprocess.place(facts.size_wh, request.card.input)
    working = place.working_wh[0] * place.working_wh[1]
    for decode in decodes(request, streamed_first=facts.pixels > HUGE_PIXELS):
        view = COPIES * 4 * kept_wh[0] * kept_wh[1]
        reading = reading_bytes(request, decode, 1, turned_wh(kept_wh, facts.orientation)) + view
        running = view + working * (tensor_bytes(request) + request.footprint.run) + min(reading, KEPT_OF_DECODING)
        deciding = 2 * working * request.footprint.output
        moments = Moments(max(reading, running), deciding, min(running, KEPT_OF_RUN), kept_of_bands(request, decode, 1))
        need, photo = need_of(request, moments, banded=False)
        yield Plan(
            options=request.options,
            placement=place,
            working_wh=place.working_wh,
            decode=decode,
            banded=False,
            photo=photo,
            need_bytes=need,
        )


def kept_size(size_wh: tuple[int, int]) -> tuple[int, int]:
    """The size at which a picture is kept."""
    scale = min(1.0, KEPT_SIDE / max(size_wh))
    return max(1, round(size_wh[0] * scale)), max(1, round(size_wh[1] * scale))
