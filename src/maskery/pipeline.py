"""THE ROAD: picture -> tensor -> session -> task -> result. Every door comes through here."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from maskery.engine import preprocess
from maskery.engine.runtimes import open_session
from maskery.engine.session import Session
from maskery.errors import BadRequest, nearest
from maskery.image import Picture
from maskery.model_card import ModelCard
from maskery.result import Result, SemanticResult
from maskery.tasks.base import Reading
from maskery.tasks.table import TASKS


@dataclass(frozen=True)
class Wish:
    """What a caller may ask of a run: only these classes, another working size, a confidence map."""

    classes: tuple[str, ...] = ()
    max_side: int | None = None
    confidence: bool = False


PLAIN = Wish()

# A large JPEG is decoded at not less than this many times the working size. The mask then differs from a full
# decode's in about 1 % of the pixels, along borders (docs/benchmarks.md); at 1 it would be 4 ms faster and differ more.
REDUCE_TO = 2


class Stopwatch:
    """Milliseconds by stage, in the order in which the stages ran."""

    def __init__(self) -> None:
        self.timings_ms: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.timings_ms[name] = round((time.perf_counter() - started) * 1000, 3)


@dataclass(frozen=True)
class Model:
    """A card with its loaded session. Thread-safe: nothing of a run is kept here."""

    card: ModelCard
    session: Session

    def run(self, picture: Picture, wish: Wish = PLAIN) -> Result:
        """Segment one picture.

        Raises ``BadRequest`` for a wish that this model cannot fulfil, ``PictureError`` for damaged pixels,
        ``ModelError`` where the model does not do what its card says.
        """
        watch, card = Stopwatch(), self.card
        _check(wish, card)
        placement = preprocess.place(picture.size_wh, card.input, wish.max_side)
        with watch.stage("decode"):
            width, height = placement.content_wh
            pixels = picture.rgb(at_least_wh=(REDUCE_TO * width, REDUCE_TO * height))
        with watch.stage("preprocess"):
            tensor = preprocess.to_tensor(pixels, placement, card.input)
        with watch.stage("run"):
            output = self.session.run(tensor)
        with watch.stage("postprocess"):
            reading = Reading(output, placement, picture.orientation, card, watch.timings_ms, wish.confidence)
            result = TASKS[card.task](reading)
            return _keep(result, wish.classes)


def load_model(card: ModelCard, path: Path, device: str = "cpu", threads: int = 0) -> Model:
    """Open the session for a located model; see ``open_session`` for the errors."""
    return Model(card, open_session(card, path, device, threads))


def _check(wish: Wish, card: ModelCard) -> None:
    if wish.confidence and card.task != "semantic":
        raise BadRequest(f"{card.name} has no confidence map.", "Ask a semantic model, or without confidence.")
    if wish.classes and card.task == "classification":
        raise BadRequest(f"{card.name} is a classifier: it has no mask to restrict.", "Leave classes out.")
    choices = card.labels[1:] if card.task == "foreground" else card.labels
    for name in wish.classes:
        if name not in choices:
            raise BadRequest(f"{card.name} has no class {name!r}.", nearest(name, choices))


def _keep(result: Result, classes: Sequence[str]) -> Result:
    return result.keep(classes) if classes and isinstance(result, SemanticResult) else result
