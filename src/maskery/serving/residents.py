"""The models that are loaded, and the check that each gives its stored answer."""

import logging
import threading
from pathlib import Path

from maskery import image
from maskery.errors import MaskeryError, ModelError, UnknownModel
from maskery.model_card import ModelCard
from maskery.pipeline import Model, load_model
from maskery.result import ClassificationResult, ForegroundResult, Result
from maskery.settings import Settings
from maskery.zoo.store import CHECK_PICTURE, Store, is_path

log = logging.getLogger("maskery")


class Residents:
    """Loaded models by name; a model that is asked for and here on disk is loaded on first use, once."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._store = settings, Store(settings)
        self._models: dict[str, Model] = {}
        self._lock = threading.Lock()
        self.default = settings.model[0]
        self.states: dict[str, str] = {}

    def load_all(self) -> None:
        """Load and check the models of the settings. Raises the first error: a server without its models is none."""
        for name in self._settings.model:
            self.get(name)
        self.default = next(iter(self._models)) if self._models else self.default

    def get(self, name: str | None) -> Model:
        """The model ``name`` (None = the default), loaded and checked. Raises ``UnknownModel``, ``ModelError``."""
        wanted = name or self.default
        if is_path(wanted) and wanted not in self._settings.model:
            raise UnknownModel(f"There is no model {wanted!r}.", "Name one of GET /v1/models.")
        if wanted in self._models:
            return self._models[wanted]
        with self._lock:
            if wanted not in self._models:
                located = self._store.locate(wanted)
                settings = self._settings
                model = load_model(located.card, located.path, settings.device, settings.threads)
                self.states[located.card.name] = check(model)
                self._models[located.card.name] = self._models[wanted] = model
                log.info("loaded %s on %s (%s)", located.card.name, model.session.device, model.session.runtime)
            return self._models[wanted]

    def card(self, name: str | None) -> ModelCard:
        """The card of ``name`` (None = the default), which can answer but need not be loaded. Reads files.

        Raises ``UnknownModel``, ``NotPulled``, ``ConfigError``, ``ChecksumError``.
        """
        wanted = name or self.default
        if wanted in self._models:
            return self._models[wanted].card
        if is_path(wanted):
            raise UnknownModel(f"There is no model {wanted!r}.", "Name one of GET /v1/models.")
        return self._store.locate(wanted).card

    def cards(self) -> list[ModelCard]:
        """Every model that can answer now: the default, the loaded ones, those on disk. Reads files."""
        loaded = [self._models[self.default], *self._models.values()] if self.default in self._models else []
        found = {model.card.name: model.card for model in loaded}
        for name in self._store.names():
            try:
                entry = self._store.entry(name)
            except MaskeryError as error:
                log.warning("model %s is left out: %s", name, error)
                continue
            if entry.state != "available":
                found.setdefault(name, entry.card)
        return list(found.values())

    @property
    def ready(self) -> bool:
        return bool(self.states) and all(state == "ok" for state in self.states.values())


def check(model: Model, picture: Path = CHECK_PICTURE) -> str:
    """Run the stored picture and compare with the card's stored answer: "ok", or what is wrong."""
    try:
        result = model.run(image.open_picture(picture, max_bytes=1 << 24, max_pixels=1 << 24))
        expected = model.card.check
        wrong = _differences(result, expected.shares, expected.tolerance) if expected else []
    except MaskeryError as error:
        raise ModelError(f"{model.card.name} failed its check: {error}", "See the cause.") from error
    if wrong:
        log.error("%s does not give its stored answer: %s", model.card.name, "; ".join(wrong))
    return "; ".join(wrong) or "ok"


def _differences(result: Result, expected: dict[str, float], tolerance: float) -> list[str]:
    if isinstance(result, ClassificationResult):
        first = result.top(1)[0][0]
        return [] if first in expected else [f"first class is {first!r}, expected {', '.join(expected)}"]
    classes = (result.as_semantic if isinstance(result, ForegroundResult) else result).classes
    shares = {item.name: item.share for item in classes}
    return [
        f"{name} covers {shares.get(name, 0.0):.3f}, expected {share:.3f}"
        for name, share in expected.items()
        if abs(shares.get(name, 0.0) - share) > tolerance
    ]
