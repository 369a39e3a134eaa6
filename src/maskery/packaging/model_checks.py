"""Checks of models and of the folder that they lie in: whole, untouched, giving their stored answers, licensed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from maskery.core.errors import MaskeryError
from maskery.core.settings import Settings
from maskery.models.loading import ModelLoader
from maskery.models.store import Located, Store
from maskery.packaging.finding import SetupFinding, fault, fault_of, fine, warning
from maskery.serving.runtime.model_pool import check

MIB = 1 << 20
LITTLE, LOW = 16 * MIB, 500 * MIB
"""Bytes below which a disk is full, and below which a download of the larger models fails."""


def cache(settings: Settings) -> Iterator[SetupFinding]:
    """Whether models can be pulled into the cache: a file is written there and removed."""
    folder = Store(settings).folder
    place = _existing(folder)
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".maskery-doctor-"):
            pass
    except OSError as error:
        says = f"{folder} cannot be written: {error.strerror or error}."
        if settings.offline:
            yield warning("cache", says, "That is right where nothing is to be pulled, as in a container.")
        else:
            yield fault("cache", says, "Set MASKERY_CACHE to a folder that can be written, or offline = true.")
        return
    yield fine("cache", f"{folder} can be written")


def disk(settings: Settings) -> Iterator[SetupFinding]:
    """Room in the cache and in the folder of temporary files."""
    for name, folder in (("cache", Store(settings).folder), ("temporary files", Path(tempfile.gettempdir()))):
        place = _existing(folder)
        try:
            free = shutil.disk_usage(place).free
        except OSError as error:
            yield fault("disk", f"{place} ({name}): {error.strerror or error}.", "Mount or make the folder.")
            continue
        says = f"{free // MIB} MiB free in {place} ({name})"
        if free < LITTLE:
            yield fault("disk", f"{says}: the disk is full.", "Make room: maskery models remove NAME.")
        elif free < LOW and not settings.offline:
            yield warning("disk", f"{says}: large models do not fit.", "Make room, or set another MASKERY_CACHE.")
        else:
            yield fine("disk", says)


def models(settings: Settings) -> Iterator[SetupFinding]:
    """Each model of the settings: its files hashed again, loaded, and its stored answer asked for."""
    loader = ModelLoader(settings)
    for name in settings.model:
        try:
            located = loader.locate(name)
            loader.store.verify(name)
            state = check(loader.open(located))
        except MaskeryError as error:
            yield fault_of("models", error)
            continue
        except ImportError as error:
            yield fault("models", f"{name} cannot be loaded: {error}.", "See the finding on packages.")
            continue
        label = f"{located.card.name}@{located.card.version}"
        if state != "ok":
            yield fault("models", f"{label} does not give its stored answer: {state}.", _of_another(located))
        else:
            yield fine("models", f"{label} is whole and gives its stored answer")


def licences(settings: Settings) -> Iterator[SetupFinding]:
    """Weights whose terms need a decision."""
    store, free = Store(settings), []
    for name in settings.model:
        with suppress(MaskeryError):  # told under "models"
            card = store.locate(name).card
            licence = card.licence
            if licence.commercial_use and not licence.copyleft:
                free.append(f"{card.name} {licence.name}")
                continue
            terms = "no commercial use" if not licence.commercial_use else "copyleft"
            yield warning(
                "licences", f"{card.name}: {licence.name}, {terms}. {licence.note}".strip(), "Ask your lawyers."
            )
    if free:
        yield fine("licences", ", ".join(free))


def _of_another(located: Located) -> str:
    if located.card.quantisation:
        return "Take precision = float: this processor sums int8 products in another way."
    return f"Reinstall onnxruntime, or verify the card: maskery models show {located.card.name}"


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that there is."""
    place = folder.absolute()
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    return place
