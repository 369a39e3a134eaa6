"""A model that looks at one face at a time, on a whole picture: find, crop, parse, paste back. docs/faces.md."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from maskery.core.arrays import ClassMap
from maskery.core.boxes import Box
from maskery.core.errors import BadRequest
from maskery.core.picture.decode import Picture
from maskery.core.plan import PLAIN, PLAIN_DEMAND, Demand, Plan, RunOptions
from maskery.core.result.banded import BandedSemanticResult, pack
from maskery.core.result.capabilities import Result
from maskery.core.result.meta import Face, Faces, Meta
from maskery.core.result.types import SemanticResult
from maskery.core.timing import Stopwatch
from maskery.inference import preprocess
from maskery.inference.faces.crop_plan import Cropping
from maskery.inference.faces.detector import FaceDetector
from maskery.inference.faces.paste import Canvas, ParsedFace, certain_maps, pasted
from maskery.inference.faces.region import Region, crop_of
from maskery.inference.faces.view import View, views, whole_view
from maskery.inference.pipeline import Model, keep
from maskery.inference.planning.footprint import measure_footprint
from maskery.inference.planning.memory_plan import choose
from maskery.inference.tasks import semantic
from maskery.inference.tasks.base import ModelOutput, PerPixel
from maskery.inference.tasks.registry import task_of


@dataclass(frozen=True, kw_only=True)
class Cascade(Model):
    """A model with its detector. It answers as every model does; its result says which faces were found."""

    detector: FaceDetector

    def measured(self) -> "Cascade":
        """Raises ``ModelError``."""
        beside = self.detector
        detector = replace(beside, footprint=measure_footprint(beside.session, beside.card))
        return replace(self, footprint=measure_footprint(self.session, self.card), detector=detector)

    def plan(
        self,
        picture: Picture,
        run_options: RunOptions = PLAIN,
        demand: Demand = PLAIN_DEMAND,
        budget: int | None = None,
    ) -> Plan:
        """As ``Model.plan``; the faces are not found yet."""
        request = self.plan_request(picture, replace(run_options, tile=0), demand)
        if run_options.tile:
            raise BadRequest(
                f"{self.card.name} looks at each face in a crop of its own, not at tiles.", "Leave tile out."
            )
        detector = self.detector
        return choose(request, budget, Cropping(detector.spec, detector.card, detector.footprint))

    def follow(
        self,
        plan: Plan,
        picture: Picture,
        watch: Stopwatch | None = None,
        check_cancelled: Callable[[], None] = lambda: None,
    ) -> Result:
        """As ``Model.follow``. ``check_cancelled`` is called before each run."""
        watch = watch or Stopwatch()
        with watch.stage("decode"):
            view = whole_view(picture, self.detector.view_wh(picture.size_wh), plan.decode)
        with watch.stage("find"):
            found = self.detector.find(view, picture.size_wh, check_cancelled)
        faces = self._faces(found, plan.max_faces, picture)
        parsed = self._parsed(faces.seen, plan, picture, view, watch, check_cancelled)
        del view
        with watch.stage("postprocess"):
            meta = replace(self._model_output({}, plan, picture.orientation, watch).meta, faces=faces)
            return keep(self._put_together(parsed, meta, plan), plan.options.classes)

    def _faces(self, boxes: Sequence[Box], most: int, picture: Picture) -> Faces:
        crops = [crop_of(box, picture.size_wh, self.detector.spec) for box in boxes[:most]]
        seen = (Face(box.xyxy, box.score, crop.xyxy) for box, crop in zip(boxes[:most], crops, strict=True))
        return Faces(tuple(seen), len(boxes))

    def _parsed(
        self,
        faces: Sequence[Face],
        plan: Plan,
        picture: Picture,
        seen: View,
        watch: Stopwatch,
        check_cancelled: Callable[[], None],
    ) -> list[ParsedFace]:
        """What the model says of the crop of each face. ``seen``: the picture as the detector saw it."""
        for stage in ("preprocess", "run"):
            watch.timings_ms[stage] = 0.0
        spec, per_pixel = self.card.input, self._per_pixel
        crops = [Region.of(face.crop_xyxy) for face in faces]
        places = [preprocess.place(crop.whole_wh, spec, plan.max_side) for crop in crops]
        if not crops:
            return []
        found = []
        shown = watch.over("decode", views(picture, crops, places[0].content_wh, plan.decode, seen))
        for face, crop, place, view in zip(faces, crops, places, shown, strict=True):
            check_cancelled()
            with watch.more("preprocess"):
                pixels = view.crop(crop, place.content_wh, spec.pad_value)
                tensor = preprocess.to_tensor(pixels, place, spec)
            with watch.more("run"):
                outputs = self.infer_one(tensor)
            model_output = ModelOutput(
                outputs=outputs,
                placement=place,
                frame=preprocess.frame_of(place, 1),
                card=self.card,
                timings_ms={},
            )
            found.append(ParsedFace(face.box_xyxy, crop, place, per_pixel.scores(model_output)))
        return found

    @property
    def _per_pixel(self) -> PerPixel:
        per_pixel = task_of(self.card).per_pixel
        assert per_pixel is not None, "a card with a detector gives classes of pixels"
        return per_pixel

    def _put_together(self, parsed: Sequence[ParsedFace], meta: Meta, plan: Plan) -> Result:
        card, background, frame = self.card, self.card.background, meta.frame
        assert background is not None
        per_pixel = self._per_pixel
        sheet = Canvas(
            grid_wh=frame.size_wh,
            picture_wh=frame.original_wh,
            background=background,
            dtype=np.uint8 if len(card.labels) <= 255 else np.uint16,
            decide=per_pixel.decider(card),
            maps=certain_maps(plan.options.maps, frame.size_wh),
            logits=card.output.logits,
        )
        bands, by = pasted(parsed, sheet), semantic.decided_by(card)
        if plan.banded:
            return BandedSemanticResult(meta, pack(bands), by)
        class_map: ClassMap = np.empty(frame.size_wh[::-1], sheet.dtype)
        top = 0
        for band in bands:
            class_map[top : top + len(band)] = band
            top += len(band)
        return SemanticResult(meta=meta, class_map=class_map, decided_by=by, maps=sheet.maps)
