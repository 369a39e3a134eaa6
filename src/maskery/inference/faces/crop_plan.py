"""What working on one picture takes where it is shown to a model crop by crop, and a way that fits.

The moments are those of ``memory_plan``, with others in them: the picture is decoded for the detector, then once more
for the crops, and what the model said of each face is kept until all are put together.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from maskery.core.card import Detector, ModelCard
from maskery.core.picture.orientation import turned_wh
from maskery.core.plan import Decode, Plan
from maskery.inference import preprocess
from maskery.inference.faces.region import finest_side
from maskery.inference.planning.memory_plan import (
    HUGE_PIXELS,
    KEPT_OF_DECODING,
    KEPT_OF_RUN,
    REDUCE_TO,
    Footprint,
    Moments,
    PlanRequest,
    bandings,
    decodes,
    kept_of_bands,
    need_of,
    reading_bytes,
    sides,
    tensor_bytes,
)

# Of a band in which crops are put together (tasks/pasting.py): ids, distances, and copies of what is compared.
PASTING_BYTES = 6 << 20


@dataclass(frozen=True)
class Cropping:
    """The ways to work of a model with a detector: call it with the request."""

    spec: Detector
    detector: ModelCard
    footprint: Footprint

    def __call__(self, request: PlanRequest) -> Iterator[Plan]:
        """What is asked for first: read in bands, fewer faces, smaller working sides."""
        for max_side in sides(request):
            for decode in decodes(request, streamed_first=request.facts.pixels > HUGE_PIXELS):
                faces = self.spec.max_faces
                while faces:
                    yield from self._way(request, max_side, decode, faces)
                    faces //= 2

    def _way(self, request: PlanRequest, max_side: int | None, decode: Decode, faces: int) -> Iterator[Plan]:
        facts = request.facts
        view_wh = view_size(facts.size_wh, self.spec.levels, self.detector)
        finding = preprocess.place(facts.size_wh, self.detector.input)
        side = max(facts.size_wh)
        working_wh = preprocess.place((side, side), request.card.input, max_side).working_wh
        seen, shown = finding.working_wh[0] * finding.working_wh[1], working_wh[0] * working_wh[1]
        view = 4 * view_wh[0] * view_wh[1] if decode == "bands" else 0
        if decode == "bands":
            reading = reading_bytes(request, decode, 1, turned_wh(view_wh, facts.orientation)) + view
            held = view + 3 * REDUCE_TO**2 * 4 * shown
        else:
            reading, held = facts.decoding_bytes(), 4 * facts.pixels
        scores = faces * shown * request.footprint.output * 1.25
        looking = held + seen * (tensor_bytes(request) + self.footprint.run)
        running = held + shown * (tensor_bytes(request) + request.footprint.run) + min(reading, KEPT_OF_DECODING)
        pasting = scores + PASTING_BYTES
        before = max(reading + scores, looking, running + scores)
        moments = Moments(before, pasting, min(running, KEPT_OF_RUN), kept_of_bands(request, decode, 1))
        for banded in bandings(request, first=facts.pixels > HUGE_PIXELS):
            need, photo = need_of(request, moments, banded)
            yield Plan(
                options=request.options,
                placement=finding,
                working_wh=working_wh,
                max_side=max_side,
                decode=decode,
                banded=banded,
                photo=photo,
                need_bytes=need,
                max_faces=faces,
            )


def view_size(size_wh: tuple[int, int], levels: int, detector: ModelCard) -> tuple[int, int]:
    """The size of the whole picture at which its smallest part that the detector is run on has ``REDUCE_TO`` times the
    detector's own pixels, or the picture's own size where that is less.
    """
    side = finest_side(size_wh, levels)
    part_wh = size_wh if levels == 1 else (max(1, round(side)), max(1, round(side)))
    shown = preprocess.place(part_wh, detector.input).content_wh
    scale = min(1.0, REDUCE_TO * max(shown) / side)
    return max(1, round(size_wh[0] * scale)), max(1, round(size_wh[1] * scale))
