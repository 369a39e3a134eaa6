"""A detector and a model that draws a mask into each box, as one model of single objects."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from maskery.core.arrays import Doubles
from maskery.core.picture.decode import Picture
from maskery.core.picture.orientation import turned_wh
from maskery.core.plan import PLAIN, PLAIN_DEMAND, Demand, Plan, RunOptions, TileGrid
from maskery.core.result.capabilities import Result
from maskery.core.result.instances import CropMask, crop_mask
from maskery.core.timing import Stopwatch
from maskery.inference import preprocess
from maskery.inference.faces.region import whole
from maskery.inference.faces.view import View, whole_view
from maskery.inference.objects.resize_back import boxes_in_picture, cut_boxes
from maskery.inference.pipeline import Model
from maskery.inference.planning.footprint import measure_footprint
from maskery.inference.planning.memory_plan import (
    HUGE_PIXELS,
    KEPT_OF_DECODING,
    KEPT_OF_RUN,
    Footprint,
    Moments,
    PlanRequest,
    choose,
    decodes,
    kept_of_bands,
    need_of,
    reading_bytes,
    tensor_bytes,
)
from maskery.inference.planning.tiled_objects import object_tile_ways
from maskery.inference.prompts.prompt_plan import BATCH, BOX_SIZE
from maskery.inference.tasks.objects import expect_room, kept, listed, listing

SHOWN_SIDE = 3072
"""The longest side, in pixels, at which masks are drawn: the window of a box has 192, so only those of less than a
twentieth of a larger picture lose detail."""


class BoxDrawer(Protocol):
    """What draws masks into boxes: a ``PromptModel``."""

    @property
    def footprint(self) -> Footprint: ...

    def measured(self) -> "BoxDrawer":
        """The same, knowing what its runs take."""

    def in_boxes(self, view: View, size_wh: tuple[int, int], boxes_xyxy: Doubles) -> Iterator[CropMask]:
        """A mask for each box, in order; boxes and masks are in pixels of the picture of ``size_wh``."""


@dataclass(frozen=True, kw_only=True)
class BoxedObjects(Model):
    """``session``: the detector's, whose outputs ``card.objects`` reads. ``drawer``: what draws the masks."""

    drawer: BoxDrawer

    def measured(self) -> "BoxedObjects":
        """Raises ``ModelError``."""
        footprint = measure_footprint(self.session, self.card)
        return replace(self, footprint=footprint, drawer=self.drawer.measured())

    def plan(
        self,
        picture: Picture,
        run_options: RunOptions = PLAIN,
        demand: Demand = PLAIN_DEMAND,
        budget: int | None = None,
    ) -> Plan:
        """As ``Model.plan``; the objects are not known yet."""
        request = self.plan_request(picture, run_options, demand)
        return choose(request, budget, self._tiled_ways if request.options.tile else self._ways)

    def _drawing(self, request: PlanRequest) -> float:
        """Bytes that the masks of ``BATCH`` boxes take."""
        return BATCH * BOX_SIZE**2 * (tensor_bytes(request) + self.drawer.footprint.run)

    def _tiled_ways(self, request: PlanRequest) -> Iterator[Plan]:
        for plan in object_tile_ways(request):
            yield replace(plan, need_bytes=plan.need_bytes + int(self._drawing(request)), by_box=True)

    def _ways(self, request: PlanRequest) -> Iterator[Plan]:
        """Ways to read the picture, what is asked for first."""
        facts = request.facts
        shown_wh = shown_size(facts.size_wh)
        place = preprocess.place(facts.size_wh, request.card.input, request.options.max_side)
        working = place.working_wh[0] * place.working_wh[1]
        drawing = self._drawing(request)
        for decode in decodes(request, streamed_first=facts.pixels > HUGE_PIXELS):
            view = 4 * shown_wh[0] * shown_wh[1] if decode == "bands" else 4 * facts.pixels
            reading = reading_bytes(request, decode, 1, turned_wh(shown_wh, facts.orientation)) + view
            running = view + max(working * (tensor_bytes(request) + request.footprint.run), drawing)
            running += min(reading, KEPT_OF_DECODING)
            kept_of_reading = kept_of_bands(request, decode, 1)
            moments = Moments(max(reading, running), view + drawing, min(running, KEPT_OF_RUN), kept_of_reading)
            need, photo = need_of(request, moments, banded=False)
            yield Plan(
                options=request.options,
                placement=place,
                working_wh=place.working_wh,
                max_side=request.options.max_side,
                decode=decode,
                banded=False,
                photo=photo,
                need_bytes=need,
                by_box=True,
            )

    def follow(
        self,
        plan: Plan,
        picture: Picture,
        watch: Stopwatch | None = None,
        check_cancelled: Callable[[], None] = lambda: None,
    ) -> Result:
        """As ``Model.follow``. ``check_cancelled`` is called before each run."""
        watch = watch or Stopwatch()
        if plan.tiles:
            return self._joined(plan, plan.tiles, picture, watch, check_cancelled)
        spec, place = self.card.input, plan.placement
        with watch.stage("decode"):
            view = whole_view(picture, shown_size(picture.size_wh), plan.decode)
        with watch.stage("preprocess"):
            seen = view.crop(whole(picture.size_wh), place.content_wh, spec.pad_value)
            tensor = preprocess.to_tensor(seen, place, spec)
        check_cancelled()
        with watch.stage("run"):
            outputs = self.infer_one(tensor)
        model_output = self._model_output(outputs, plan, picture.orientation, watch)
        with watch.stage("postprocess"):
            found = kept(model_output)
            answer_wh = model_output.placement.original_wh
            boxes = boxes_in_picture(found.boxes, model_output.placement)
        with watch.rest("masks"):
            masks = self._drawn(view, boxes, answer_wh, check_cancelled)
            return listing(model_output, boxes, found.scores, found.class_ids, masks)

    def _joined(
        self, plan: Plan, grid: TileGrid, picture: Picture, watch: Stopwatch, check_cancelled: Callable[[], None]
    ) -> Result:
        """Boxes tile by tile; masks as they are drawn anyway, each in a window of its own."""
        plan = replace(plan, options=replace(plan.options, answer_wh=None))
        model_output = self._model_output({}, plan, picture.orientation, watch)
        found = self.find_in_tiles(model_output, grid, picture, watch, check_cancelled)
        with watch.rest("masks"):
            view = whole_view(picture, shown_size(picture.size_wh), plan.decode)
            masks = self._drawn(view, found.boxes, picture.size_wh, check_cancelled)
            return listing(model_output, found.boxes, found.scores, found.class_ids, masks)

    def _drawn(
        self, view: View, boxes: Doubles, answer_wh: tuple[int, int], check_cancelled: Callable[[], None]
    ) -> Iterator[CropMask]:
        """A mask for each box, cut to it, in pixels of the answer; of a box without a pixel an empty one.

        Raises ``TooLarge`` before the first where they would not fit.
        """
        cut = cut_boxes(boxes, answer_wh)
        expect_room(listed(cut), answer_wh[0] * answer_wh[1])
        there = (cut[:, 2] > cut[:, 0]) & (cut[:, 3] > cut[:, 1])
        shown = View(view.pixels, whole(answer_wh))
        masks = self.drawer.in_boxes(shown, answer_wh, cut[there])
        for box, is_there in zip(cut, there, strict=True):
            check_cancelled()
            yield within(next(masks), box) if is_there else crop_mask(np.zeros((1, 1), np.bool_))


def within(mask: CropMask, box: Iterable[float]) -> CropMask:
    """The part of a mask whose pixels have their middles in a box: left, top, right, bottom."""
    (left, top), (width, height) = mask.left_top, mask.size_wh
    start_x, start_y, stop_x, stop_y = (int(np.ceil(value - 0.5)) for value in box)
    x, y = max(0, start_x - left), max(0, start_y - top)
    part = mask.decoded()[y : max(y, min(height, stop_y - top)), x : max(x, min(width, stop_x - left))]
    cut = crop_mask(part)
    return CropMask((cut.left_top[0] + left + x, cut.left_top[1] + top + y), cut.size_wh, cut.counts)


def shown_size(size_wh: tuple[int, int]) -> tuple[int, int]:
    """The size at which a picture of ``size_wh`` is looked at in windows of its boxes."""
    scale = min(1.0, SHOWN_SIDE / max(size_wh))
    return max(1, round(size_wh[0] * scale)), max(1, round(size_wh[1] * scale))
