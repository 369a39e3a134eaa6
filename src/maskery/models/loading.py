"""What the store has located -> a model that answers, with its finder where its card has one."""

from maskery.core.card import Finder, ModelCard
from maskery.core.errors import BadRequest, ConfigError
from maskery.inference.faces.detector import FaceDetector
from maskery.inference.faces.model import Cascade
from maskery.inference.pipeline import Model, load_model
from maskery.inference.runtimes.registry import open_session
from maskery.models.store import Located


def open_model(located: Located, device: str = "cpu", threads: int = 0) -> Model:
    """Load a model of the store, with all that it needs.

    Raises as ``open_session`` does; ``BadRequest`` for a finder, which answers nobody; ``ConfigError`` for a card whose
    finder cannot find.
    """
    card = located.card
    expect_answers(card)
    if card.finder is None or located.finder is None:
        return load_model(card, located.path, device, threads)
    finder = located.finder
    _expect_finds(finder.card, card.finder, card.name)
    found = FaceDetector(card.finder, finder.card, open_session(finder.card, finder.path, device, threads))
    return Cascade(card, open_session(card, located.path, device, threads), finder=found)


def expect_answers(card: ModelCard) -> None:
    """Raises ``BadRequest`` for a model that only finds what others are shown."""
    if card.task == "finder":
        raise BadRequest(
            f"{card.name} finds faces for other models; it gives no mask of its own.",
            "Ask a model that has it as its finder (docs/faces.md).",
        )


def _expect_finds(card: ModelCard, wanted: Finder, name: str) -> None:
    pieces = card.task == "semantic" and card.output.kind != "class-map" and wanted.label in card.labels
    if not pieces and card.task != "finder":
        raise ConfigError(
            f"{name} has the finder {card.name}, which gives no scores of a class {wanted.label!r}.",
            "Name a model of task finder, or a semantic one with that label that gives scores.",
        )
