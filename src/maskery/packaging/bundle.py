"""``maskery package bundle``: one file for machines that reach no index; and serving from it.

It is a zip that Python runs: wheels, models, settings, SHA256SUMS over all, and ``__main__.py`` that installs it.
"""

import hashlib
import re
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePosixPath

from platformdirs import user_cache_path

from maskery.core.errors import ChecksumError, ConfigError
from maskery.core.files import whole_file, whole_folder, write_whole, writing
from maskery.core.version import __version__
from maskery.models.download import sha256_of
from maskery.packaging.context import SETTINGS_NAME, SUMS, Content, write_context, write_sums
from maskery.packaging.manifest import MANIFEST_NAME, Manifest, manifest_text
from maskery.packaging.wheels import EPOCH, python_version

MAIN = "__main__.py"
CHUNK = 1 << 20
LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def write_bundle(folder: Path, manifest: Manifest, content: Content) -> list[str]:
    """Write NAME.bundle and the manifest into ``folder``; the commands that install and serve it, for people.

    Raises as ``write_context``.
    """
    inside = folder / "inside"
    write_context(inside, manifest, content)
    main = (files("maskery.packaging") / "templates" / "bundle" / "main.in").read_text(encoding="utf-8")
    write_whole(inside / MAIN, main.replace("@{python}", python_version()).replace("@{version}", __version__))
    write_sums(inside)
    target = folder / f"{manifest.name}.bundle"
    with whole_file(target) as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for path in sorted(path for path in inside.rglob("*") if path.is_file()):
                entry = zipfile.ZipInfo(path.relative_to(inside).as_posix(), EPOCH)
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, path.read_bytes())
    target.chmod(0o755)
    shutil.rmtree(inside)
    write_whole(folder / MANIFEST_NAME, manifest_text(manifest))
    return [
        f"python3 {target} install /opt/maskery     # on the other machine, with Python {python_version()}",
        f"/opt/maskery/bin/maskery serve --bundle {target}",
    ]


@dataclass(frozen=True)
class OpenedBundle:
    """Where its models and settings lie now."""

    settings: Path
    cache: Path


def open_bundle(path: Path, place: Path | None = None) -> OpenedBundle:
    """Check every sum of the bundle, and unpack its models and settings below ``place`` (None = the user's cache).

    Raises ``ConfigError`` for what is no bundle or one of another version, ``ChecksumError`` for a damaged one,
    ``OutputError`` where it cannot be unpacked.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            sums = _checked(archive, path)
            _expect_version(archive, path)
            key = hashlib.sha256(archive.read(SUMS)).hexdigest()[:16]
            folder = (place or user_cache_path("maskery", appauthor=False) / "bundles") / key
            wanted = {name: sums[name] for name in sums if name == SETTINGS_NAME or name.startswith("models/")}
            if not _unpacked(folder, wanted):
                _unpack(archive, folder, wanted)
    except zipfile.BadZipFile as error:
        raise ConfigError(f"{path} is no bundle: {error}.", "Make one by: maskery package bundle -o DIR") from error
    return OpenedBundle(folder / SETTINGS_NAME, folder)


def _unpacked(folder: Path, wanted: Mapping[str, str]) -> bool:
    """Whether another start, of a server that may be running, has unpacked it all, and nobody has changed it."""
    return all((folder / name).is_file() and sha256_of(folder / name) == sums for name, sums in wanted.items())


def _unpack(archive: zipfile.ZipFile, folder: Path, names: Iterable[str]) -> None:
    with writing(folder), whole_folder(folder) as partial:
        for name in names:
            target = partial / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(name))


def _checked(archive: zipfile.ZipFile, path: Path) -> dict[str, str]:
    """Name -> sha256 of all that is inside."""
    names = set(archive.namelist()) - {SUMS}
    try:
        lines = archive.read(SUMS).decode().splitlines()
    except KeyError as error:
        raise ConfigError(f"{path} is no bundle: it has no {SUMS}.", "Make one by: maskery package bundle") from error
    sums = {match[2]: match[1] for line in lines if (match := LINE.fullmatch(line))}
    for name in sorted(names ^ set(sums)):
        raise ChecksumError(f"{name} of {path} is missing, or not in its {SUMS}.", "Copy the bundle again.")
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise ConfigError(f"{path} names {name}, which lies outside of it.", "Do not use this file.")
        if _sha256(archive, name) != sums[name]:
            raise ChecksumError(f"{name} of {path} is damaged.", "Copy the bundle again.")
    return sums


def _sha256(archive: zipfile.ZipFile, name: str) -> str:
    digest = hashlib.sha256()
    try:
        with archive.open(name) as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    except zipfile.BadZipFile:
        return ""
    return digest.hexdigest()


def _expect_version(archive: zipfile.ZipFile, path: Path) -> None:
    (wheel,) = [name for name in archive.namelist() if name.startswith("wheels/maskery-")] or [""]
    if wheel.split("-")[1:2] != [__version__]:
        raise ConfigError(
            f"{path} was made by another version of Maskery than {__version__}.",
            f"Install it: python3 {path} install DIR, and serve by DIR/bin/maskery.",
        )
