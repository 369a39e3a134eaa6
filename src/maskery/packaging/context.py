"""What a target builds from: wheels, model files, settings, and the sha256 of each."""

import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from maskery.core.card import CARD_NAME
from maskery.core.errors import ConfigError
from maskery.core.files import write_whole
from maskery.core.settings import Settings
from maskery.core.version import __version__
from maskery.models.download import sha256_of
from maskery.models.store import TWIN, Located, Store
from maskery.packaging.manifest import MANIFEST_NAME, Manifest, manifest_text, settings_text
from maskery.packaging.wheels import closure, pack, python_version

SUMS = "SHA256SUMS"
SETTINGS_NAME = "settings.toml"


class AtTemplate(Template):
    """``@{name}`` is filled in; the dollars and braces of shells, Docker and Helm stay."""

    delimiter = "@"
    pattern = r"@(?:(?P<escaped>@@)|(?P<named>(?!))|\{(?P<braced>[a-z_]+)\}|(?P<invalid>(?!)))"  # type: ignore[assignment]


@dataclass(frozen=True)
class Content:
    """Models of a deployment: their names there, and those that the package does not hold itself."""

    names: tuple[str, ...]
    located: tuple[Located, ...]

    @property
    def all(self) -> tuple[Located, ...]:
        """With the models that they are made of, detectors say."""
        return tuple(part for one in self.located for part in _with_parts(one))

    @property
    def built_in(self) -> frozenset[str]:
        """Models that Maskery's wheel has to hold."""
        return frozenset(one.card.name for one in self.all if one.origin == "built-in")

    @property
    def extras(self) -> tuple[str, ...]:
        """Extras of Maskery that the models need."""
        tflite = any(file.suffix == ".tflite" for one in self.all for file in one.files)
        return ("tflite",) if tflite else ()


def _with_parts(model: Located) -> Iterator[Located]:
    yield model
    if model.part:
        yield from _with_parts(model.part)


def content_of(manifest: Manifest, settings: Settings) -> Content:
    """The models, hashed again. Raises as ``Store.verify``: a model that is not here, or whose file is damaged."""
    store = Store(settings)
    located = [store.verify(name) for name in manifest.models]
    if manifest.precision == "int8":
        import msgspec

        twins = Store(msgspec.structs.replace(settings, precision="int8"))
        located += [twins.locate(name) for name in manifest.models]
    elif manifest.precision != "float":
        raise ConfigError(f"precision is {manifest.precision!r}.", "Take float or int8.")
    names = tuple(one.card.name for one in located[: len(manifest.models)])
    return Content(names, tuple(located[: len(manifest.models)]))


def write_context(folder: Path, manifest: Manifest, content: Content, extras: Iterable[str] = ()) -> None:
    """Wheels, models, settings, requirements, the manifest, and SHA256SUMS over them all, into ``folder``.

    Raises ``ConfigError`` where the wheels of this system would not run in a Linux container, ``OSError``.
    """
    if not sys.platform.startswith("linux"):
        raise ConfigError("Wheels that are installed here do not run on Linux.", "Run maskery package on Linux.")
    wheels = folder / "wheels"
    wheels.mkdir(parents=True)
    asked = sorted({*content.extras, *extras})
    distributions = closure(asked)
    for distribution in distributions:
        pack(distribution, wheels, models=content.built_in)
    pinned = [f"{one.metadata['Name'].lower()}=={one.version}" for one in distributions]
    write_whole(folder / "requirements.txt", "\n".join([*pinned, ""]))
    write_models(folder / "models", content)
    write_whole(folder / SETTINGS_NAME, settings_text(manifest, content.names))
    write_whole(folder / MANIFEST_NAME, manifest_text(manifest))
    write_sums(folder)


def write_models(folder: Path, content: Content) -> None:
    """Cards and files of models that the package does not hold, as the store's cache has them; its part's too."""
    folder.mkdir(parents=True, exist_ok=True)
    for model in content.all:
        if model.origin == "built-in":
            continue
        source, target = model.path.parent, folder / model.card.name
        target.mkdir(exist_ok=True)
        for file in (source / CARD_NAME, *model.files):
            shutil.copyfile(file, target / file.name)
        if (source / TWIN / CARD_NAME).is_file():
            shutil.copytree(source / TWIN, target / TWIN, dirs_exist_ok=True)
    if not any(folder.iterdir()):
        write_whole(folder / "NONE", "All models are inside the wheel of Maskery.\n")


def write_sums(folder: Path) -> None:
    """SHA256SUMS of every file below ``folder``, as ``sha256sum --check`` reads it."""
    (folder / SUMS).unlink(missing_ok=True)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{sha256_of(path)}  {path.relative_to(folder).as_posix()}" for path in paths]
    write_whole(folder / SUMS, "\n".join([*lines, ""]))


def values_of(manifest: Manifest, content: Content) -> dict[str, str]:
    """What templates fill in."""
    licences = sorted({"Apache-2.0", *(one.card.licence.name for one in content.all)})
    return {
        "name": manifest.name,
        "version": __version__,
        "port": str(manifest.port),
        "models": " ".join(content.names),
        "default_model": content.names[0],
        "precision": manifest.precision,
        "base_image": manifest.base_image or f"python:{python_version()}-slim",
        "image": manifest.image,
        "licences": " AND ".join(licences),
        "memory_mib": str(manifest.memory_mib),
        "request_mib": str(manifest.memory_mib * 3 // 4),
        "memory_bytes": str(manifest.memory_mib << 20),
        "cpu": f"{manifest.cpu:g}",
        "millicores": str(manifest.millicores),
        "concurrency": str(manifest.concurrency),
        "replicas": str(manifest.replicas),
        "max_replicas": str(manifest.max_replicas),
    }


def render(target: str, folder: Path, values: Mapping[str, str]) -> list[Path]:
    """Fill in the templates of ``target`` and write them below ``folder``; the files that were written.

    A template that names a value that there is not raises ``KeyError``: a fault of the package.
    """
    source = files("maskery.packaging") / "templates" / target
    return list(_rendered(source, folder, values))


def _rendered(source: Traversable, folder: Path, values: Mapping[str, str]) -> Iterable[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for entry in sorted(source.iterdir(), key=lambda one: one.name):
        if entry.is_dir():
            yield from _rendered(entry, folder / entry.name, values)
            continue
        path = folder / AtTemplate(entry.name).substitute(values).removesuffix(".in")
        write_whole(path, AtTemplate(entry.read_text(encoding="utf-8")).substitute(values))
        if path.suffix == ".sh":
            path.chmod(0o755)
        yield path
