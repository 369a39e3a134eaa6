"""Where pictures come from and where answers go: a folder of this machine, an archive, or what fsspec reaches."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from maskery.core.errors import ConfigError, MissingExtra, OutputError, PictureError
from maskery.core.files import whole_file, writing

ARCHIVES = {".zip": "zip", ".tar": "tar", ".tar.gz": "tar", ".tar.bz2": "tar", ".tar.xz": "tar"}
CURE_PLACE = "Check the address, the rights and the connection; the same command goes on where it stopped."


@dataclass(frozen=True)
class StoredFile:
    """``name``: below the place, parts joined by "/". ``modified``: seconds since 1970, whole; 0 where unknown."""

    name: str
    bytes: int
    modified: int


class Place(Protocol):
    """Files by their names. ``read`` and ``write`` may be called from several threads."""

    @property
    def address(self) -> str:
        """As the caller gave it."""

    def files(self) -> Iterator[StoredFile]:
        """All files below, in no order. Raises ``ConfigError`` where the place cannot be read."""

    def read(self, name: str) -> bytes:
        """Raises ``PictureError`` for a file that cannot be read."""

    def write(self, name: str, data: bytes) -> None:
        """A whole file or none. Raises ``OutputError``."""

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""


class LocalPlace:
    """A folder of this machine. ``without``: a folder below that is passed over: the answers'."""

    def __init__(self, folder: Path, without: Path | None = None) -> None:
        self.folder, self._without = folder, without.resolve() if without else None

    @property
    def address(self) -> str:
        return str(self.folder)

    def files(self) -> Iterator[StoredFile]:
        """As ``Place.files``; hidden folders too: the caller chooses by the name."""
        if not self.folder.is_dir():
            raise ConfigError(f"{self.folder} is no folder.", "Give a folder, an archive (.zip, .tar) or an address.")
        yield from self._below(self.folder, "")

    def _below(self, folder: Path, prefix: str) -> Iterator[StoredFile]:
        with _listing(str(folder)), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if self._without is None or Path(entry.path).resolve() != self._without:
                        yield from self._below(Path(entry.path), f"{prefix}{entry.name}/")
                elif entry.is_file():
                    facts = entry.stat()
                    yield StoredFile(prefix + entry.name, facts.st_size, int(facts.st_mtime))

    def read(self, name: str) -> bytes:
        with _reading(name):
            return (self.folder / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        path = self.folder / name
        with writing(path, "Free some disk space, or choose another place; the same command goes on."):
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as file:
                file.write(data)

    def exists(self, name: str) -> bool:
        return (self.folder / name).is_file()


class RemotePlace:
    """What fsspec reaches: ``s3://bucket/path``, ``memory://``, ``zip://::FILE`` ... Members of archives are read one
    at a time.
    """

    def __init__(self, address: str, without: str | None = None) -> None:
        self.address = address
        try:
            from fsspec.core import url_to_fs
        except ModuleNotFoundError as error:
            raise MissingExtra(
                f"{address} needs the package fsspec.", "Run: pip install 'maskery[folder]' (s3://: 'maskery[s3]')"
            ) from error
        with _listing(address):
            self._system, root = url_to_fs(address)
        self._root = root.rstrip("/")
        self._without = url_to_fs(without)[1].rstrip("/") if without else None
        archive = type(self._system).__name__ in ("ZipFileSystem", "TarFileSystem")
        self._lock = threading.Lock() if archive else None

    def files(self) -> Iterator[StoredFile]:
        yield from self._below(self._root)

    def _below(self, folder: str) -> Iterator[StoredFile]:
        with _listing(self.address):
            entries: list[dict[str, Any]] = self._system.ls(folder, detail=True)
        for entry in entries:
            name = entry["name"].rstrip("/")
            if entry["type"] == "directory":
                if name not in (folder, self._without):
                    yield from self._below(name)
            elif name != folder:
                relative = name[len(self._root) :].lstrip("/") if name.startswith(self._root) else name
                yield StoredFile(relative, int(entry.get("size") or 0), _seconds(entry))

    def read(self, name: str) -> bytes:
        with _reading(name):
            if self._lock is None:
                return bytes(self._system.cat_file(self._full(name)))
            with self._lock:
                return bytes(self._system.cat_file(self._full(name)))

    def write(self, name: str, data: bytes) -> None:
        if self._lock is not None:
            raise OutputError(f"{self.address} is an archive.", "Give a folder or an address for the answers.")
        full = self._full(name)
        try:
            self._system.makedirs(full.rpartition("/")[0], exist_ok=True)
            self._system.pipe_file(full, data)
        except Exception as error:  # each backend has errors of its own
            raise OutputError(f"{self.address}/{name} could not be written: {error}.", CURE_PLACE) from error

    def exists(self, name: str) -> bool:
        with _listing(self.address):
            return bool(self._system.isfile(self._full(name)))

    def _full(self, name: str) -> str:
        return f"{self._root}/{name}" if self._root else name


def open_source(address: str, target: str) -> Place:
    """Where the pictures are. What lies below ``target`` is no picture. Raises ``ConfigError``, ``MissingExtra``."""
    if _is_remote(address):
        same = _is_remote(target) and address.partition("://")[0] == target.partition("://")[0]
        return RemotePlace(address, target if same else None)
    path = Path(address)
    if path.is_file():
        kinds = [kind for suffix, kind in ARCHIVES.items() if path.name.lower().endswith(suffix)]
        if not kinds:
            raise ConfigError(f"{address} is a file.", f"Give a folder, or an archive: {', '.join(ARCHIVES)}.")
        return RemotePlace(f"{kinds[0]}://::{path.resolve()}")
    return LocalPlace(path, None if _is_remote(target) else Path(target))


def open_target(address: str) -> Place:
    """Where the answers go. Raises ``ConfigError``, ``MissingExtra``."""
    if _is_remote(address):
        return RemotePlace(address)
    if Path(address).is_file():
        raise ConfigError(f"{address} is a file.", "Give a folder for the answers.")
    return LocalPlace(Path(address))


def _is_remote(address: str) -> bool:
    return "://" in address or "::" in address


def _seconds(entry: dict[str, Any]) -> int:
    """When a file was modified, by whatever key its backend says it."""
    for key in ("mtime", "LastModified", "last_modified", "modified", "created"):
        value = entry.get(key)
        if isinstance(value, datetime):
            return int(value.timestamp())
        if isinstance(value, int | float):
            return int(value)
    if isinstance(parts := entry.get("date_time"), tuple):  # of a zip, in no time zone
        year, month, day, hour, minute, second = parts
        return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
    return 0


@contextmanager
def _listing(address: str) -> Iterator[None]:
    try:
        yield
    except (ConfigError, MissingExtra):
        raise
    except ImportError as error:
        raise MissingExtra(f"{address}: {error}", "Install it, maskery[s3] for s3://.") from error
    except Exception as error:  # each backend has errors of its own
        raise ConfigError(f"{address} cannot be read: {error}.", CURE_PLACE) from error


@contextmanager
def _reading(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # each backend has errors of its own
        raise PictureError(f"{name} cannot be read: {error}.", "Check the file and the rights.") from error
