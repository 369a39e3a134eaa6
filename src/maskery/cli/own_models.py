"""What ``maskery models add`` and ``maskery models import`` share: a model of the user's into the cache, tried once."""

from pathlib import Path
from typing import TYPE_CHECKING

from maskery.core.card import ModelCard
from maskery.core.errors import MaskeryError, UnknownModel
from maskery.core.settings import load_settings
from maskery.models.store import CHECK_PICTURE, Located, Store

if TYPE_CHECKING:
    from maskery.inference.pipeline import Model


def stored(file: Path, card: ModelCard, replace: bool = False) -> Located:
    """Copy the model in and try it once on the check picture; one that fails is taken out again.

    With ``replace`` an added model of that name gives way, once the new one has been tried by itself.
    """
    from maskery.models.loading import open_model

    store = store_of()
    if replace and _is_added(store, card.name):
        _try(open_model(Located(card, file, "path")))
        store.remove(card.name)
    located = store.add(file, card)
    try:
        _try(open_model(located))
    except MaskeryError:
        store.remove(card.name)
        raise
    return located


def _try(model: "Model") -> None:
    from maskery.core.picture.decode import open_picture
    from maskery.inference.tasks.registry import task_of

    picture = open_picture(CHECK_PICTURE, max_bytes=1 << 24, max_pixels=1 << 24)
    model.run(picture, task_of(model.card).check_options)


def _is_added(store: Store, name: str) -> bool:
    try:
        return store.entry(name).state == "added"
    except UnknownModel:
        return False


def store_of(offline: bool | None = None) -> Store:
    """The store of the settings in force."""
    return Store(load_settings({"offline": offline}))
