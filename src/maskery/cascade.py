"""A model that looks at one face at a time, on a whole picture: find, crop, parse, paste back. docs/faces.md."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from maskery.banded import BandedResult, pack
from maskery.boxes import Box
from maskery.engine import preprocess
from maskery.engine.crops_plan import Cropping
from maskery.engine.footprint import measure_footprint
from maskery.engine.memory_plan import PLAIN_DEMAND, Demand, choose
from maskery.engine.resample import ClassMap
from maskery.engine.view import View, views, whole_view
from maskery.engine.window import Window, crop_of
from maskery.errors import BadRequest
from maskery.finding import FaceFinder
from maskery.image import Picture
from maskery.pipeline import NOTHING, PLAIN, Model, Wish, keep
from maskery.plan import Face, Plan
from maskery.result import Result, SemanticResult
from maskery.stopwatch import Stopwatch
from maskery.tasks import huge, semantic
from maskery.tasks.base import Reading
from maskery.tasks.pasting import Parsed, Sheet, certain_maps, pasted


@dataclass(frozen=True, kw_only=True)
class Cascade(Model):
    """A model with its finder. It answers as every model does; its plan says which faces were found."""

    finder: FaceFinder

    def measured(self) -> "Cascade":
        """Raises ``ModelError``."""
        finder = replace(self.finder, footprint=measure_footprint(self.finder.session, self.finder.card))
        return replace(self, footprint=measure_footprint(self.session, self.card), finder=finder)

    def plan(
        self, picture: Picture, wish: Wish = PLAIN, demand: Demand = PLAIN_DEMAND, budget: int | None = None
    ) -> Plan:
        """As ``Model.plan``; the faces are not found yet."""
        wanted = self.wanted(picture, replace(wish, tile=0), demand)
        if wish.tile:
            raise BadRequest(
                f"{self.card.name} looks at each face in a crop of its own, not at tiles.", "Leave tile out."
            )
        finder = self.finder
        return choose(wanted, budget, Cropping(finder.wanted, finder.card, finder.footprint))

    def follow(
        self,
        plan: Plan,
        picture: Picture,
        wish: Wish = PLAIN,
        watch: Stopwatch | None = None,
        heed: Callable[[], None] = lambda: None,
    ) -> Result | BandedResult:
        """As ``Model.follow``. ``heed`` is called before each run."""
        watch = watch or Stopwatch()
        with watch.stage("decode"):
            view = whole_view(picture, self.finder.view_wh(picture.size_wh), plan.decode)
        with watch.stage("find"):
            found = self.finder.find(view, picture.size_wh, heed)
        plan = replace(plan, faces=self._faces(found[: plan.max_faces], picture), faces_found=len(found))
        parsed = self._parsed(plan, picture, view, watch, heed)
        del view
        with watch.stage("postprocess"):
            return keep(self._put_together(parsed, picture, plan, wish, watch), wish.classes)

    def _faces(self, boxes: Sequence[Box], picture: Picture) -> tuple[Face, ...]:
        crops = [crop_of(box, picture.size_wh, self.finder.wanted) for box in boxes]
        return tuple(Face(box.xyxy, box.score, crop.xyxy) for box, crop in zip(boxes, crops, strict=True))

    def _parsed(
        self, plan: Plan, picture: Picture, seen: View, watch: Stopwatch, heed: Callable[[], None]
    ) -> list[Parsed]:
        """What the model says of the crop of each of the plan's faces. ``seen``: the picture as the finder saw it."""
        for stage in ("preprocess", "run"):
            watch.timings_ms[stage] = 0.0
        spec, faces = self.card.input, plan.faces or ()
        crops = [Window.of(face.crop_xyxy) for face in faces]
        places = [preprocess.place(crop.whole_wh, spec, plan.max_side) for crop in crops]
        if not crops:
            return []
        found = []
        shown = watch.over("decode", views(picture, crops, places[0].content_wh, plan.decode, seen))
        for face, crop, place, view in zip(faces, crops, places, shown, strict=True):
            heed()
            with watch.more("preprocess"):
                pixels = view.crop(crop, place.content_wh, spec.pad_value)
                tensor = preprocess.to_tensor(pixels, place, spec)
            with watch.more("run"):
                output = self.session.run(tensor)
            reading = Reading(output, place, place.frame(1), self.card, {})
            found.append(Parsed(face.box_xyxy, crop, place, huge.scores_of(reading)))
        return found

    def _put_together(
        self, parsed: Sequence[Parsed], picture: Picture, plan: Plan, wish: Wish, watch: Stopwatch
    ) -> Result | BandedResult:
        card, background = self.card, self.card.background
        assert background is not None
        place = preprocess.place(picture.size_wh, self.finder.card.input)
        frame = replace(place.frame(picture.orientation), answer_wh=wish.answer_wh)
        sheet = Sheet(
            grid_wh=frame.size_wh,
            picture_wh=picture.size_wh,
            background=background,
            dtype=np.uint8 if len(card.labels) <= 255 else np.uint16,
            decide=huge.decider(card),
            maps=certain_maps(wish.maps, frame.size_wh),
            logits=card.output.kind == "logits",
        )
        common = Reading(NOTHING, place, frame, card, watch.timings_ms, plan=plan).common
        bands, by = pasted(parsed, sheet), semantic.decided_by(card)
        if plan.banded:
            return BandedResult(**common, packed=pack(bands), decided_by=by)
        class_map: ClassMap = np.empty(frame.size_wh[::-1], sheet.dtype)
        top = 0
        for band in bands:
            class_map[top : top + len(band)] = band
            top += len(band)
        return SemanticResult(**common, class_map=class_map, decided_by=by, maps=sheet.maps)
