"""What the store has located -> a model that answers, with its detector where its card has one."""

from typing import Any

from maskery.core.card import Detector, ModelCard
from maskery.core.errors import BadRequest, ConfigError
from maskery.core.settings import Settings, parse_bytes
from maskery.inference.pipeline import Model, load_model
from maskery.inference.prompts.embedding_cache import EmbeddingCache
from maskery.inference.runtimes.registry import open_session
from maskery.inference.tasks.registry import task_of
from maskery.models.store import Located, Store


def open_model(
    located: Located, device: str = "cpu", threads: int = 0, pictures: EmbeddingCache[Any] | None = None
) -> Model:
    """Load a model of the store, with all that it needs. ``pictures``: where one that is asked by clicks and boxes
    keeps what it made of pictures; None = a place of its own.

    Raises as ``open_session`` does; ``BadRequest`` for a detector, which gives no mask; ``ConfigError`` for a card
    whose detector finds nothing of its kind.
    """
    card = located.card
    expect_answers(card)
    if task_of(card).prompted:
        from maskery.inference.prompts.prompt_model import open_prompt_model  # of no use to the other models

        return open_prompt_model(card, located.files, device, threads, pictures)
    if card.objects and located.part:
        return _by_box(located, located.part, device, threads)
    if card.detector is None or located.part is None:
        return load_model(card, located.files, device, threads)
    beside = located.part
    _expect_detects(beside.card, card.detector, card.name)
    from maskery.inference.faces.detector import FaceDetector  # of no use to the models without a detector
    from maskery.inference.faces.model import Cascade

    detector = FaceDetector(card.detector, beside.card, open_session(beside.card, beside.files, device, threads))
    return Cascade(card, open_session(card, located.files, device, threads), detector=detector)


def _by_box(located: Located, masks: Located, device: str, threads: int) -> Model:
    """A detector whose objects get their masks from another model. Raises ``ConfigError`` where that takes no boxes."""
    if not task_of(masks.card).prompted:
        raise ConfigError(
            f"{located.card.name} draws masks by {masks.card.name}, which takes no boxes.",
            "Name a model of task prompt as objects.masks.",
        )
    from maskery.inference.prompts.boxed_objects import BoxedObjects  # of no use to the other models
    from maskery.inference.prompts.prompt_model import open_prompt_model

    session = open_session(located.card, located.files, device, threads)
    drawer = open_prompt_model(masks.card, masks.files, device, threads)
    return BoxedObjects(card=located.card, session=session, drawer=drawer)


def expect_answers(card: ModelCard) -> None:
    """Raises ``BadRequest`` for a model that only finds what others are shown."""
    if task_of(card).results is None:
        raise BadRequest(
            f"{card.name} finds faces for other models; it gives no mask of its own.",
            "Ask a model that has it as its detector (docs/faces.md).",
        )


def _expect_detects(card: ModelCard, spec: Detector, name: str) -> None:
    task = task_of(card)
    if task.results is not None and (not task.maps(card) or spec.label not in card.labels):
        raise ConfigError(
            f"{name} has the detector {card.name}, which gives no scores of a class {spec.label!r}.",
            "Name a model of task detector, or a semantic one with that label that gives scores.",
        )


class ModelLoader:
    """Finds and opens models as the settings say. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        """Raises ``ConfigError`` for a setting ``embeddings`` that is no size."""
        self._settings, self.store = settings, Store(settings)
        self.embeddings: EmbeddingCache[Any] = EmbeddingCache(parse_bytes("embeddings", settings.embeddings))
        """Of all models that are asked by clicks and boxes."""

    def locate(self, name: str) -> Located:
        """The card and files of a model that can answer. Raises as ``Store.locate``; ``BadRequest`` for a detector."""
        located = self.store.locate(name)
        expect_answers(located.card)
        return located

    def open(self, located: Located) -> Model:
        """The model, loaded. Raises as ``open_model``."""
        return open_model(located, self._settings.device, self._settings.threads, self.embeddings)
