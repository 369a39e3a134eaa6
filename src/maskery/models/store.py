"""Where models are: inside the package, or in the cache folder as ``models/NAME/{model.toml, FILE}``, the card last.

A name is never fetched in passing: ``locate`` finds what is here, ``pull`` alone fetches.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec

from maskery.core.card import CARD_NAME, Finder, ModelCard, load_card
from maskery.core.errors import ChecksumError, ConfigError, LicenceError, ModelError, NotPulled, UnknownModel, nearest
from maskery.core.settings import Settings
from maskery.models import download
from maskery.models.card_toml import card_text
from maskery.models.catalog import builtin, catalog
from maskery.models.download import Progress

CHECK_PICTURE = Path(__file__).parent / "check.jpg"
"""What the stored answers of the cards belong to: Eileen Collins, NASA, public domain; 256 x 256 pixels."""

SUFFIXES = (".onnx", ".tflite")
NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")

Origin = Literal["built-in", "pulled", "added", "path"]
State = Literal["built-in", "pulled", "added", "available"]


@dataclass(frozen=True)
class Located:
    """A model that is here: ``path`` is its file. Origin "path": named by the path of its folder or card.

    ``finder``: the model that its card's ``finder`` names.
    """

    card: ModelCard
    path: Path
    origin: Origin
    finder: "Located | None" = None

    @property
    def bytes(self) -> int:
        """Of the file, and of the finder's."""
        return self.card.bytes + (self.finder.bytes if self.finder else 0)


@dataclass(frozen=True)
class StoredModel:
    """A model that is known. State "available": in the catalogue, to be pulled."""

    card: ModelCard
    state: State


def is_path(name: str) -> bool:
    """Whether ``name`` is the path of a model's folder or card, not a name. Network doors must refuse these."""
    return "/" in name or "\\" in name or name.endswith(".toml")


class Store:
    """The models of one cache folder. Safe across threads and processes: each model has a lock file."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.folder = _cache_folder(settings)

    def locate(self, name: str) -> Located:
        """Card and file of the model ``name``, or of a folder or ``model.toml`` given by its path.

        Raises ``UnknownModel``; ``NotPulled`` for a model of the catalogue that is not here, or whose finder is not;
        ``ConfigError`` for a broken card; ``ChecksumError`` for a file that is missing, of another size or (given by
        path) another sha256.
        """
        located = self._locate(name)
        wanted = located.card.finder
        return replace(located, finder=self._finder(name, wanted)) if wanted else located

    def _finder(self, name: str, wanted: Finder) -> Located:
        """The finder of the model ``name``, whose own file is all that it needs."""
        try:
            found = self._locate(wanted.model)
        except NotPulled as error:
            raise NotPulled(
                f"{name} finds faces by the model {wanted.model}, which is not here.", error.cure
            ) from error
        except UnknownModel as error:
            raise ConfigError(f"{name} names a finder that there is not: {error.message}", error.cure) from error
        if wanted.sha256 and found.card.sha256 != wanted.sha256:
            raise ConfigError(
                f"{name} wants {wanted.model} with sha256 {wanted.sha256}; the one here has {found.card.sha256}.",
                "Correct finder.sha256, or bring that finder.",
            )
        return found

    def _locate(self, name: str) -> Located:
        if is_path(name):
            return _locate_path(Path(name))
        entry = self.entry(name)
        if entry.state == "available":
            raise NotPulled(f"{name} is in the catalogue, but not here.", f"Run: maskery models pull {name}")
        path = (builtin()[name] if entry.state == "built-in" else self._place(name)) / entry.card.file
        if not path.is_file() or path.stat().st_size != entry.card.bytes:
            raise ChecksumError(f"{path} is missing or damaged.", _repair(name, entry.state))
        return Located(entry.card, path, entry.state)

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

    def pull(self, name: str, accept_licence: bool = False, progress: Progress | None = None) -> Located:
        """Fetch the catalogue's model ``name``, unless its whole file is here; a damaged or outdated one is replaced.
        Its finder comes with it.

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
        if card.finder and card.finder.model in catalog():
            self.pull(card.finder.model, accept_licence, progress)
        return self.locate(name)

    def verify(self, name: str) -> Located:
        """``locate``, and hash the file again. Raises ``ChecksumError`` besides what ``locate`` raises."""
        located = self.locate(name)
        download.expect_file(located.path, located.card, _repair(name, located.origin))
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
                sha256, size = _copy(file, place / file.name)
                own = msgspec.structs.replace(card, file=file.name, sha256=sha256, bytes=size, url="")
                _write(place / CARD_NAME, card_text(own))
            except OSError:
                shutil.rmtree(place, ignore_errors=True)
                raise
        return self.locate(card.name)

    def _place(self, name: str) -> Path:
        return self.folder / "models" / name

    def _whole(self, card: ModelCard) -> bool:
        """Whether the cache has this very card and its file, by the file's hash."""
        path = self._place(card.name) / card.file
        try:
            if load_card(path.with_name(CARD_NAME)) != card or path.stat().st_size != card.bytes:
                return False
            return download.sha256_of(path) == card.sha256
        except (ConfigError, OSError):
            return False

    def _fetch(self, card: ModelCard, progress: Progress | None) -> None:
        place = self._place(card.name)
        try:
            download.fetch(card, place / card.file, self._settings.mirror, self._settings.offline, progress)
            _write(place / CARD_NAME, card_text(card))
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


def _locate_path(path: Path) -> Located:
    manifest = path if path.suffix == ".toml" else path / CARD_NAME
    card = load_card(manifest)
    file = manifest.parent / card.file
    if not file.is_file():
        raise ModelError(f"{manifest} names {card.file}, which is not beside it.", "Put the file there.")
    download.expect_file(file, card, "Correct the card, or bring the file that it describes.")
    return Located(card, file, "path")


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
    """Copy by way of a partial neighbour; returns sha256 and bytes of what was written."""
    partial = target.with_name(target.name + ".partial")
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as read, partial.open("wb") as write:
        while chunk := read.read(download.CHUNK):
            digest.update(chunk)
            size += len(chunk)
            write.write(chunk)
        write.flush()
        os.fsync(write.fileno())
    partial.replace(target)
    return digest.hexdigest(), size


def _write(target: Path, text: str) -> None:
    partial = target.with_name(target.name + ".partial")
    with partial.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(target)
