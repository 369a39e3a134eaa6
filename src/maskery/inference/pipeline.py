"""The pipeline: picture -> plan -> tensor -> session -> task -> result. Every entry point comes through here."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from maskery.core.arrays import Array, Tensor
from maskery.core.card import MOST_OBJECTS, ModelCard
from maskery.core.errors import BadRequest, nearest
from maskery.core.labels import names_among
from maskery.core.picture.decode import Picture
from maskery.core.plan import PLAIN, PLAIN_DEMAND, Demand, Plan, RunOptions, TileGrid
from maskery.core.result.capabilities import HasClasses, HasInstances, Result, capable, expect, in_one_piece
from maskery.core.result.meta import MAPS
from maskery.core.timing import Stopwatch
from maskery.inference import preprocess, source
from maskery.inference.objects.joining import TileObjects
from maskery.inference.planning.footprint import measure_footprint
from maskery.inference.planning.header import facts_of
from maskery.inference.planning.memory_plan import (
    UNMEASURED,
    Footprint,
    PlanRequest,
    choose,
)
from maskery.inference.planning.tiled_objects import object_tile_ways
from maskery.inference.runtimes.base import Session
from maskery.inference.runtimes.registry import open_session
from maskery.inference.tasks import banding
from maskery.inference.tasks.base import ModelOutput
from maskery.inference.tasks.object_tiles import objects_in_tiles
from maskery.inference.tasks.objects import listing
from maskery.inference.tasks.registry import task_of


@dataclass(frozen=True)
class PreparedPicture:
    """One picture ready for the session: ``tensor`` (1, 3, h, w) or (1, h, w, 3), and what its output will need."""

    tensor: Tensor
    plan: Plan
    orientation: int
    watch: Stopwatch


@dataclass(frozen=True)
class Model:
    """A card with its loaded session. Thread-safe: nothing of a run is kept here. ``footprint``: what a run takes."""

    card: ModelCard
    session: Session
    footprint: Footprint = UNMEASURED

    @property
    def key(self) -> str:
        """NAME@VERSION."""
        return f"{self.card.name}@{self.card.version}"

    def measured(self) -> "Model":
        """The same, knowing what its runs take. Raises ``ModelError``."""
        return replace(self, footprint=measure_footprint(self.session, self.card))

    def run(self, picture: Picture, run_options: RunOptions = PLAIN) -> Result:
        """Segment one picture.

        Raises ``BadRequest`` for options that this model does not have, ``PictureError`` for damaged pixels,
        ``ModelError`` where the model does not do what its card says.
        """
        return in_one_piece(self.follow(self.plan(picture, run_options), picture))

    def plan(
        self,
        picture: Picture,
        run_options: RunOptions = PLAIN,
        demand: Demand = PLAIN_DEMAND,
        budget: int | None = None,
    ) -> Plan:
        """How this picture is to be worked on, so that all of it, the writing of the answer included, takes ``budget``
        bytes at most; None = whatever it takes.

        Raises ``BadRequest`` as ``run`` does, ``TooLarge`` where it cannot be done.
        """
        request = self.plan_request(picture, run_options, demand)
        in_tiles = request.options.tile and task_of(self.card).joins
        return choose(request, budget, object_tile_ways if in_tiles else None)

    def plan_request(self, picture: Picture, run_options: RunOptions, demand: Demand) -> PlanRequest:
        """What a plan has to fit; the options are checked here and nowhere else.

        Raises ``BadRequest`` as ``run`` does.
        """
        run_options = check(run_options, self.card)
        task = task_of(self.card)
        return PlanRequest(
            facts=facts_of(picture),
            card=self.card,
            demand=demand,
            footprint=self.footprint,
            options=run_options,
            answer_bytes=task.answer_bytes(self.card, len(run_options.maps)),
            divisible=task.per_pixel is not None,
        )

    def follow(
        self,
        plan: Plan,
        picture: Picture,
        watch: Stopwatch | None = None,
        check_cancelled: Callable[[], None] = lambda: None,
    ) -> Result:
        """Segment as ``plan`` says: in bands where it is ``banded``. Raises as ``run`` does, but for ``BadRequest``.

        ``check_cancelled`` is called before each tile; what it raises ends the work.
        """
        watch = watch or Stopwatch()
        if plan.tiles:
            return self._tiled(plan, plan.tiles, picture, watch, check_cancelled)
        prepared = self.prepare(plan, picture, watch)
        return self.finish(prepared, self.infer([prepared])[0])

    def prepare(self, plan: Plan, picture: Picture, watch: Stopwatch | None = None) -> PreparedPicture:
        """Decode and fit one picture, not in tiles. Raises ``PictureError``, ``MissingExtra``."""
        watch = watch or Stopwatch()
        with watch.stage("decode"):
            pixels = source.in_one_piece(picture, plan.placement.content_wh, plan)
        with watch.stage("preprocess"):
            tensor = preprocess.to_tensor(pixels, plan.placement, self.card.input)
        return PreparedPicture(tensor, plan, picture.orientation, watch)

    def infer(self, group: Sequence[PreparedPicture]) -> list[dict[str, Array]]:
        """The outputs of each, by tensor, with a batch axis of 1.

        Several must have tensors of one shape: they run as one batch.
        """
        started = time.perf_counter()
        if len(group) == 1:
            outputs = [self.infer_one(group[0].tensor)]
        else:
            together = self.infer_one(np.concatenate([one.tensor for one in group]))
            outputs = [{name: values[i : i + 1] for name, values in together.items()} for i in range(len(group))]
        for one in group:
            one.watch.note("run", started)
        return outputs

    def infer_one(self, tensor: Tensor) -> dict[str, Array]:
        """The outputs, by tensor, for the picture's tensor (N, ...). Raises ``ModelError``."""
        return self.session.run({self.card.input.tensor: tensor})

    def finish(self, prepared: PreparedPicture, outputs: Mapping[str, Array]) -> Result:
        """The result of one picture from its outputs; in bands where its plan says so."""
        plan, task = prepared.plan, task_of(self.card)
        with prepared.watch.stage("postprocess"):
            model_output = self._model_output(outputs, plan, prepared.orientation, prepared.watch)
            found = (
                banding.read(model_output, task.per_pixel)
                if plan.banded and task.per_pixel
                else task.read(model_output)
            )
            return keep(found, plan.options.classes)

    def _tiled(
        self, plan: Plan, grid: TileGrid, picture: Picture, watch: Stopwatch, check_cancelled: Callable[[], None]
    ) -> Result:
        per_pixel = task_of(self.card).per_pixel
        if per_pixel is None:
            return self._joined(plan, grid, picture, watch, check_cancelled)
        turn = picture.orientation if plan.decode == "bands" else 1

        def run(tensor: Tensor) -> dict[str, Array]:
            check_cancelled()
            with watch.more("run"):
                return self.infer_one(tensor)

        rows = watch.over("decode", source.for_tiles(picture, plan, grid))
        model_output = self._model_output({}, plan, picture.orientation, watch)
        with watch.rest("postprocess"):
            result = keep(banding.read_tiles(rows, grid, turn, run, model_output, per_pixel), plan.options.classes)
        return result if plan.banded else in_one_piece(result)

    def _joined(
        self, plan: Plan, grid: TileGrid, picture: Picture, watch: Stopwatch, check_cancelled: Callable[[], None]
    ) -> Result:
        """Objects in tiles, in the picture's own pixels."""
        plan = replace(plan, options=replace(plan.options, answer_wh=None))
        model_output = self._model_output({}, plan, picture.orientation, watch)
        found = self.find_in_tiles(model_output, grid, picture, watch, check_cancelled)
        with watch.stage("postprocess"):
            return listing(model_output, found.boxes, found.scores, found.class_ids, found.masks)

    def find_in_tiles(
        self,
        model_output: ModelOutput,
        grid: TileGrid,
        picture: Picture,
        watch: Stopwatch,
        check_cancelled: Callable[[], None],
    ) -> TileObjects:
        """The objects of a picture that is looked at tile by tile. ``check_cancelled`` is called before each."""

        def run(tensor: Tensor) -> dict[str, Array]:
            check_cancelled()
            with watch.more("run"):
                return self.infer_one(tensor)

        with watch.stage("decode"):
            pixels = picture.rgb()
        with watch.rest("tiles"):
            return objects_in_tiles(pixels, grid, run, model_output)

    def _model_output(
        self, outputs: Mapping[str, Array], plan: Plan, orientation: int, watch: Stopwatch
    ) -> ModelOutput:
        placement, answer_wh = plan.placement, plan.options.answer_wh
        frame = preprocess.frame_of(placement, orientation, answer_wh)
        if answer_wh:
            placement = replace(placement, original_wh=answer_wh)
        return ModelOutput(
            outputs=outputs,
            placement=placement,
            frame=frame,
            card=self.card,
            timings_ms=watch.timings_ms,
            maps=plan.options.maps,
            plan=plan,
        )


def load_model(card: ModelCard, files: Path | Sequence[Path], device: str = "cpu", threads: int = 0) -> Model:
    """Open the session of a model that needs no other one; ``files`` and errors are those of ``open_session``.

    ``loading.open_model`` opens any model that can answer.
    """
    return Model(card, open_session(card, files, device, threads))


def check(run_options: RunOptions, card: ModelCard) -> RunOptions:
    """The options with the classes as this card names them. Needs no loaded model.

    Raises ``BadRequest`` for options that a model with this card does not have.
    """
    task = task_of(card)
    for name in ("max_side", "tile", "candidates"):
        value = getattr(run_options, name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | np.integer)):
            raise BadRequest(f"{name} is {value!r}.", f"Give a whole number, {name}=512 say.")
    if task.prompted and run_options.prompt is None:
        cure = "Say what is meant: points or a box (docs/prompts.md)."
        raise BadRequest(f"{card.name} is {task.noun}, and there is none.", cure)
    if run_options.prompt is not None and not task.prompted:
        raise BadRequest(f"{card.name} is {task.noun}: it takes no points and no box.", "Ask the model prompt, say.")
    for name in run_options.maps:
        if name not in MAPS:
            raise BadRequest(f"There is no map {name!r}.", nearest(name, MAPS))
        if name not in task.maps(card):
            raise BadRequest(
                f"{card.name} has no {name} map: it gives no scores of several classes for a pixel.",
                "Ask a semantic model that gives scores, or without maps.",
            )
    check_objects(run_options, card)
    restricted = task.gives(HasClasses) or task.gives(HasInstances)
    if run_options.classes and (task.prompted or not restricted):
        raise BadRequest(f"{card.name} is {task.noun}: it has no mask to restrict.", "Leave classes out.")
    if run_options.tile and task.per_pixel is None and not task.joins:
        raise BadRequest(f"{card.name} is {task.noun}: it looks at a picture as a whole.", "Leave tile out.")
    if run_options.tile and run_options.maps:
        raise BadRequest("A picture in tiles has no maps beside the classes.", "Ask without maps, or with tile=0.")
    choices = task.choices(card)
    classes = names_among(run_options.classes, choices)
    for name in classes:
        if name not in choices:
            raise BadRequest(f"{card.name} has no class {name!r}.", nearest(name, choices))
    return replace(run_options, classes=classes) if classes != run_options.classes else run_options


def check_objects(run_options: RunOptions, card: ModelCard) -> None:
    """The part of ``check`` for what only models of objects have. Raises ``BadRequest``."""
    given, task = run_options.of_objects, task_of(card)
    if given and (task.prompted or not task.gives(HasInstances)):
        cure = f"Leave {' and '.join(given)} out, or ask a model of objects (docs/objects.md)."
        raise BadRequest(f"{card.name} is {task.noun}: it finds no single objects.", cure)
    for name in ("score", "overlap"):
        if not 0 <= given.get(name, 0) <= 1:  # neither is a NaN
            raise BadRequest(f"{name} is {given[name]}.", f"Give a number from 0 to 1, {name}=0.5 say.")
    if not 1 <= given.get("max_objects", 1) <= MOST_OBJECTS:
        raise BadRequest(f"max_objects is {given['max_objects']}.", f"Give a number from 1 to {MOST_OBJECTS}.")


def keep(result: Result, classes: Sequence[str]) -> Result:
    """Only these classes, where there are some; single objects were chosen before the surest were.

    Raises ``BadRequest`` for a result without classes of its pixels.
    """
    if capable(result, HasInstances) and not capable(result, HasClasses):
        return result
    return expect(result, HasClasses).keep(classes) if classes else result
