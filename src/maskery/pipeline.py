"""THE ROAD: picture -> tensor -> session -> task -> result. Every door comes through here."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskery.engine import preprocess
from maskery.engine.runtimes import open_session
from maskery.engine.session import Session
from maskery.errors import BadRequest, nearest
from maskery.image import Picture
from maskery.model_card import ModelCard
from maskery.result import MAPS, Result, SemanticResult
from maskery.tasks.base import Reading
from maskery.tasks.table import TASKS


@dataclass(frozen=True)
class Wish:
    """What a caller may ask of a run: only these classes, another working size, these of ``result.MAPS``.

    ``answer_wh``: (width, height) of the answer's grid instead of the upright picture's own pixels; classes are decided
    there from the same scores. For doors whose contract has another size, and for summaries.
    """

    classes: tuple[str, ...] = ()
    max_side: int | None = None
    maps: tuple[str, ...] = ()
    answer_wh: tuple[int, int] | None = None


PLAIN = Wish()

# A large JPEG is decoded at not less than this many times the working size. The mask then differs from a full
# decode's in about 1 % of the pixels, along borders (docs/benchmarks.md); at 1 it would be 4 ms faster and differ more.
REDUCE_TO = 2


class Stopwatch:
    """Milliseconds by stage, in the order in which the stages ran; ``before``: those of earlier stages."""

    def __init__(self, before: Mapping[str, float] | None = None) -> None:
        self.timings_ms: dict[str, float] = dict(before or {})

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.note(name, started)

    def note(self, name: str, started: float) -> None:
        """``name`` has taken from ``started`` (of ``time.perf_counter``) until now."""
        self.timings_ms[name] = round((time.perf_counter() - started) * 1000, 3)


@dataclass(frozen=True)
class Prepared:
    """One picture ready for the session: ``tensor`` (1, 3, h, w) or (1, h, w, 3), and what its output will need."""

    tensor: preprocess.Tensor
    placement: preprocess.Placement
    orientation: int
    wish: Wish
    watch: Stopwatch


@dataclass(frozen=True)
class Model:
    """A card with its loaded session. Thread-safe: nothing of a run is kept here."""

    card: ModelCard
    session: Session

    @property
    def key(self) -> str:
        """NAME@VERSION."""
        return f"{self.card.name}@{self.card.version}"

    def run(self, picture: Picture, wish: Wish = PLAIN) -> Result:
        """Segment one picture.

        Raises ``BadRequest`` for a wish that this model cannot fulfil, ``PictureError`` for damaged pixels,
        ``ModelError`` where the model does not do what its card says.
        """
        prepared = self.prepare(picture, wish)
        return self.finish(prepared, self.infer([prepared])[0])

    def prepare(self, picture: Picture, wish: Wish = PLAIN, watch: Stopwatch | None = None) -> Prepared:
        """Decode and fit one picture. Raises ``BadRequest`` and ``PictureError`` as ``run`` does."""
        watch, spec = watch or Stopwatch(), self.card.input
        check(wish, self.card)
        placement = preprocess.place(picture.size_wh, spec, wish.max_side)
        with watch.stage("decode"):
            width, height = placement.content_wh
            pixels = picture.pixels(at_least_wh=(REDUCE_TO * width, REDUCE_TO * height))
        with watch.stage("preprocess"):
            tensor = preprocess.to_tensor(pixels, placement, spec)
        return Prepared(tensor, placement, picture.orientation, wish, watch)

    def infer(self, group: Sequence[Prepared]) -> list[NDArray[np.generic]]:
        """The output of each, with a batch axis of 1. Several must have tensors of one shape: they run as one batch."""
        started = time.perf_counter()
        if len(group) == 1:
            outputs = [self.session.run(group[0].tensor)]
        else:
            together = self.session.run(np.concatenate([one.tensor for one in group]))
            outputs = [together[i : i + 1] for i in range(len(group))]
        for one in group:
            one.watch.note("run", started)
        return outputs

    def finish(self, prepared: Prepared, output: NDArray[np.generic]) -> Result:
        """The result of one picture from its output."""
        wish, placement = prepared.wish, prepared.placement
        with prepared.watch.stage("postprocess"):
            frame = placement.frame(prepared.orientation)
            if wish.answer_wh:
                frame = replace(frame, answer_wh=wish.answer_wh)
                placement = replace(placement, original_wh=wish.answer_wh)
            timings = prepared.watch.timings_ms
            reading = Reading(output, placement, frame, self.card, timings, wish.maps)
            return _keep(TASKS[self.card.task](reading), wish.classes)


def load_model(card: ModelCard, path: Path, device: str = "cpu", threads: int = 0) -> Model:
    """Open the session for a located model; see ``open_session`` for the errors."""
    return Model(card, open_session(card, path, device, threads))


def check(wish: Wish, card: ModelCard) -> None:
    """Raises ``BadRequest`` for a wish that a model with this card cannot fulfil. Needs no loaded model."""
    for name in wish.maps:
        if name not in MAPS:
            raise BadRequest(f"There is no map {name!r}.", nearest(name, MAPS))
        if card.task != "semantic" or card.output.kind == "class-map":
            raise BadRequest(
                f"{card.name} has no {name} map: it gives no scores of several classes for a pixel.",
                "Ask a semantic model that gives scores, or without maps.",
            )
    if wish.classes and card.task == "classification":
        raise BadRequest(f"{card.name} is a classifier: it has no mask to restrict.", "Leave classes out.")
    choices = card.labels[1:] if card.task == "foreground" else card.labels
    for name in wish.classes:
        if name not in choices:
            raise BadRequest(f"{card.name} has no class {name!r}.", nearest(name, choices))


def _keep(result: Result, classes: Sequence[str]) -> Result:
    return result.keep(classes) if classes and isinstance(result, SemanticResult) else result
