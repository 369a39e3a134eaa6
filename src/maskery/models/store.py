"""Where models are: inside the package, or in the cache folder as ``models/NAME/{model.toml, FILE...}``, the card last.

A name is never fetched in passing: ``locate`` finds what is here, ``pull`` alone fetches.
"""

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec

from maskery.core.card import CARD_NAME, Detector, ModelCard, Network
from maskery.core.errors import (
    ChecksumError,
    ConfigError,
    DownloadError,
    LicenceError,
    ModelError,
    NotPulled,
    UnknownModel,
    nearest,
)
from maskery.core.files import whole_file, write_whole
from maskery.core.progress import Progress, silent
from maskery.core.settings import Settings
from maskery.models import download
from maskery.models.card_toml import card_text, load_card
from maskery.models.catalog import builtin, catalog

CHECK_PICTURE = Path(__file__).parent / "check.jpg"
"""What the stored answers of the cards belong to: Eileen Collins, NASA, public domain; 256 x 256 pixels."""

SUFFIXES = (".onnx", ".tflite")
TWIN = "int8"
"""The folder, beside a model's card, of its int8 twin."""
NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")

Origin = Literal["built-in", "pulled", "added", "path"]
State = Literal["built-in", "pulled", "added", "available"]


@dataclass(frozen=True)
class Located:
    """A model that is here: ``path`` is its first network's file.

    Origin "path": named by the path of its folder or card. ``part``: the other model that its card names, its
    ``detector`` or what draws its ``objects.masks``.
    """

    card: ModelCard
    path: Path
    origin: Origin
    part: "Located | None" = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of its networks, in the card's order; they lie beside each other."""
        return (self.path, *(self.path.with_name(network.file) for network in self.card.networks[1:]))

    @property
    def bytes(self) -> int:
        """Of all its files, those of its part included."""
        return self.card.bytes + (self.part.bytes if self.part else 0)


@dataclass(frozen=True)
class StoredModel:
    """A model that is known. State "available": in the catalogue, to be pulled."""

    card: ModelCard
    state: State


def is_path(name: str) -> bool:
    """Whether ``name`` is the path of a model's folder or card, not a name. Servers must refuse these."""
    return "/" in name or "\\" in name or name.endswith(".toml")


class Store:
    """The models of one cache folder. Safe across threads and processes: each model has a lock file."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.folder = _cache_folder(settings)

    def locate(self, name: str) -> Located:
        """Card and file of the model ``name``, or of a folder or ``model.toml`` given by its path.

        With the setting ``precision`` int8 it is the model's int8 twin. Raises ``UnknownModel``; ``NotPulled`` for a
        model of the catalogue that is not here, or whose detector is not; ``ConfigError`` for a broken card, or where
        there is no twin; ``ChecksumError`` for a file that is missing, of another size or (given by path) another
        sha256.
        """
        located = self._locate(name)
        if self._settings.precision == "int8":
            located = int8_twin(located)
        spec = located.card.detector
        if spec:
            return replace(located, part=self._detector(name, spec))
        objects = located.card.objects
        return replace(located, part=self._masks(name, objects.masks)) if objects and objects.masks else located

    def _masks(self, name: str, part: str) -> Located:
        """The model ``part`` that draws the masks of the model ``name``."""
        try:
            return self._locate(part)
        except NotPulled as error:
            raise NotPulled(f"{name} draws masks by the model {part}, which is not here.", error.cure) from error
        except UnknownModel as error:
            raise ConfigError(f"{name} names an unknown model for its masks: {error.message}", error.cure) from error

    def _detector(self, name: str, spec: Detector) -> Located:
        """The detector of the model ``name``, whose own files are all that it needs."""
        try:
            detector = self._locate(spec.model)
        except NotPulled as error:
            raise NotPulled(f"{name} finds faces by the model {spec.model}, which is not here.", error.cure) from error
        except UnknownModel as error:
            raise ConfigError(f"{name} names an unknown detector: {error.message}", error.cure) from error
        if spec.sha256 and detector.card.sha256 != spec.sha256:
            raise ConfigError(
                f"{name} needs {spec.model} with sha256 {spec.sha256}; the one here has {detector.card.sha256}.",
                "Correct detector.sha256, or bring that detector.",
            )
        return detector

    def _locate(self, name: str) -> Located:
        if is_path(name):
            return _locate_path(Path(name))
        entry = self.entry(name)
        if entry.state == "available":
            raise NotPulled(f"{name} is in the catalogue, but not here.", f"Run: maskery models pull {name}")
        folder = builtin()[name] if entry.state == "built-in" else self._place(name)
        for network in entry.card.networks:
            path = folder / network.file
            if not path.is_file() or path.stat().st_size != network.bytes:
                raise ChecksumError(f"{path} is missing or damaged.", _repair(name, entry.state))
        return Located(entry.card, folder / entry.card.file, entry.state)

    def entry(self, name: str) -> StoredModel:
        """The card and state of ``name``, whether here or not. Raises ``UnknownModel``, ``ConfigError``."""
        if name in builtin():
            return StoredModel(load_card(builtin()[name] / CARD_NAME), "built-in")
        if NAME.fullmatch(name) and (self._place(name) / CARD_NAME).is_file():
            card = load_card(self._place(name) / CARD_NAME)
            return StoredModel(card, "pulled" if card.url else "added")
        if name in catalog():
            return StoredModel(catalog()[name], "available")
        raise UnknownModel(f"There is no model {name!r}.", nearest(name, self.names()))

    def entries(self) -> list[StoredModel]:
        """All known models: built-in ones first, then the others by name. Raises ``ConfigError`` for a broken card."""
        return [self.entry(name) for name in self.names()]

    def names(self) -> list[str]:
        """Names in the order of ``entries``."""
        folders = [path.parent.name for path in (self.folder / "models").glob(f"*/{CARD_NAME}")]
        own = {name for name in folders if NAME.fullmatch(name)}
        return [*builtin(), *sorted((own | set(catalog())) - set(builtin()))]

    def pull(self, name: str, accept_licence: bool = False, progress: Progress = silent) -> Located:
        """Fetch the catalogue's model ``name``, unless all its files are here; damaged or outdated ones are replaced.
        The other models that it needs come with it.

        Two pulls at once fetch once. Raises ``UnknownModel``; ``LicenceError`` before anything is fetched;
        ``DownloadError`` and ``ChecksumError`` as ``download.fetch``; ``ConfigError`` for a cache that is not writable.
        """
        card = catalog().get(name)
        if card is None:
            return self.locate(name)
        if not self._whole(card):
            _expect_accepted(card, accept_licence)
            with self._lock(name):
                if not self._whole(card):
                    self._fetch(card, progress)
        for part in (card.detector.model if card.detector else "", card.objects.masks if card.objects else ""):
            if part in catalog():
                self.pull(part, accept_licence, progress)
        return self.locate(name)

    def verify(self, name: str) -> Located:
        """``locate``, and hash the files again. Raises ``ChecksumError`` besides what ``locate`` raises."""
        located = self.locate(name)
        for file, network in zip(located.files, located.card.networks, strict=True):
            download.expect_file(file, network, _repair(name, located.origin))
        return located

    def remove(self, name: str) -> None:
        """Delete a pulled or added model, and what a broken pull left. Raises ``UnknownModel``, ``ModelError``."""
        if name in builtin():
            raise ModelError(f"{name} is built in and cannot be removed.", "Only pulled and added models can.")
        if not NAME.fullmatch(name) or not self._place(name).is_dir():
            self.entry(name)
            raise ModelError(f"{name} is not in the cache.", "There is nothing to remove.")
        with self._lock(name):
            (self._place(name) / CARD_NAME).unlink(missing_ok=True)
            shutil.rmtree(self._place(name))

    def add(self, file: Path, card: ModelCard) -> Located:
        """Copy a model of one's own into the cache; its card gets the file's name, size and sha256, and no ``url``.

        Raises ``ModelError`` for a name that is taken or a file that is no model file, ``ConfigError`` as ``pull``.
        """
        if file.suffix not in SUFFIXES or not file.is_file():
            raise ModelError(f"{file} is no model file that Maskery runs.", "Use an .onnx or a .tflite file.")
        if card.name in builtin() or card.name in catalog():
            raise ModelError(f"{card.name!r} is a model of the catalogue.", "Choose another --name.")
        with self._lock(card.name):
            place = self._place(card.name)
            if (place / CARD_NAME).exists():
                raise ModelError(
                    f"There is a model {card.name!r} already.",
                    f"Choose another --name, or run: maskery models remove {card.name}",
                )
            try:
                place.mkdir(parents=True, exist_ok=True)
                sources = [file, *(file.with_name(network.file) for network in card.networks[1:])]
                pairs = zip(card.networks, sources, strict=True)
                networks = [_copied(network, source, place) for network, source in pairs]
                write_whole(place / CARD_NAME, card_text(msgspec.structs.replace(card, networks=networks)))
            except OSError:
                shutil.rmtree(place, ignore_errors=True)
                raise
        return self.locate(card.name)

    def _place(self, name: str) -> Path:
        return self.folder / "models" / name

    def _whole(self, card: ModelCard) -> bool:
        """Whether the cache has this very card and its files, by their hashes."""
        place = self._place(card.name)
        try:
            return load_card(place / CARD_NAME) == card and all(_is_here(place, one) for one in card.networks)
        except (ConfigError, OSError):
            return False

    def _fetch(self, card: ModelCard, progress: Progress) -> None:
        place = self._place(card.name)
        if self._settings.offline:
            raise DownloadError(
                f"{card.file} is not in the cache, and offline nothing is fetched.",
                f"Run once without --offline (MASKERY_OFFLINE): maskery models pull {card.name}",
            )
        try:
            for network in card.networks:
                if not _is_here(place, network):
                    download.fetch(network, place / network.file, self._settings.mirror, progress)
            write_whole(place / CARD_NAME, card_text(card))
        finally:
            with suppress(OSError):  # not empty, or never made
                place.rmdir()

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        """One process and thread at a time for ``name``; others wait. ``OSError`` within becomes ``ConfigError``."""
        from filelock import FileLock

        try:
            locks = self.folder / "locks"
            locks.mkdir(parents=True, exist_ok=True)
            with FileLock(locks / f"{name}.lock"):
                yield
        except OSError as error:
            raise ConfigError(
                f"The cache folder {self.folder} cannot be used: {error.strerror or error}.",
                "Make room or set MASKERY_CACHE to a folder that can be written.",
            ) from error


def _cache_folder(settings: Settings) -> Path:
    if settings.cache:
        return Path(settings.cache).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("maskery", appauthor=False)


def int8_twin(located: Located) -> Located:
    """The model in int8: itself if it is, else what ``maskery quantise`` wrote into ``TWIN`` beside its card.

    Raises ``ConfigError`` where there is none, or one of another file.
    """
    card, folder = located.card, located.path.parent / TWIN
    if card.quantisation and card.quantisation.to == "int8":
        return located
    cure = f"Run: maskery quantise {card.name} --calibrate DATA -o {folder}, or take --precision float."
    if not (folder / CARD_NAME).is_file():
        raise ConfigError(f"{card.name} has no int8 twin.", cure)
    twin = _locate_path(folder)
    report = twin.card.quantisation
    if report is None or report.to != "int8" or report.of_sha256 != card.sha256:
        raise ConfigError(f"The int8 twin of {card.name} was made from another file than the one here.", cure)
    return replace(twin, origin=located.origin)


def _locate_path(path: Path) -> Located:
    manifest = path if path.suffix == ".toml" else path / CARD_NAME
    card = load_card(manifest)
    for network in card.networks:
        file = manifest.parent / network.file
        if not file.is_file():
            raise ModelError(f"{manifest} names {network.file}, which is not beside it.", "Put the file there.")
        download.expect_file(file, network, "Correct the card, or bring the file that it describes.")
    return Located(card, manifest.parent / card.file, "path")


def _is_here(folder: Path, network: Network) -> bool:
    """Whether the network's whole file is in ``folder``."""
    path = folder / network.file
    return path.is_file() and path.stat().st_size == network.bytes and download.sha256_of(path) == network.sha256


def _copied(network: Network, source: Path, folder: Path) -> Network:
    """The network with the facts of ``source``, which is copied into ``folder``."""
    sha256, size = _copy(source, folder / source.name)
    return msgspec.structs.replace(network, file=source.name, sha256=sha256, bytes=size, url="")


def _repair(name: str, origin: Origin) -> str:
    if origin == "pulled":
        return f"Fetch it again: maskery models pull {name}"
    if origin == "added":
        return f"Run: maskery models remove {name}, then add it again."
    return "Install Maskery again."


def _expect_accepted(card: ModelCard, accepted: bool) -> None:
    """The licence gate. Raises ``LicenceError`` that says why."""
    if accepted or not card.must_accept_licence:
        return
    licence = card.licence
    terms = [] if licence.commercial_use else ["does not allow commercial use"]
    terms += ["is copyleft"] if licence.copyleft else []
    reason = f"The licence of {card.name} ({licence.name}) {' and '.join(terms)}."
    cure = f"To accept it: maskery models pull {card.name} --accept-licence"
    raise LicenceError(f"{reason} {licence.note}".strip(), cure)


def _copy(source: Path, target: Path) -> tuple[str, int]:
    """The sha256 and the bytes of what was written."""
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as read, whole_file(target) as write:
        while chunk := read.read(download.CHUNK):
            digest.update(chunk)
            size += len(chunk)
            write.write(chunk)
    return digest.hexdigest(), size
