"""What is deployed: models, memory, precision, port and settings, as one TOML file."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from maskery.core import toml
from maskery.core.errors import ConfigError
from maskery.core.settings import Settings, parse_bytes
from maskery.core.version import __version__

MANIFEST_NAME = "package.toml"
MIB = 1 << 20
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?")
OWN_KEYS = ("model", "precision", "port", "memory", "host", "uds", "cache", "mirror", "offline", "drop_in")
"""Settings that the manifest has keys of its own for, or that a deployment decides."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A deployment. What it leaves out has the default.

    Attributes:
        name: Of the deployment: container, service, unit. Lower-case letters, digits and hyphens.
        models: Names of models that are here, or folders with a model.toml; the first is the default one.
        memory: The limit of one process, as ``512MB`` or ``1GiB``.
        precision: ``int8`` takes the models' int8 twins.
        port: That the server listens on.
        base_image: Of the container, with the Python that this command runs on.
        image: What the built image is called.
        cpu: Cores of one process.
        concurrency: Requests that one process is sent at once.
        replicas: How many processes at first, and at least.
        max_replicas: How many at most.
        settings: Any other setting of docs/settings.md.
    """

    name: str = "maskery"
    models: tuple[str, ...] = ("everyday",)
    memory: str = "512MB"
    precision: str = "float"
    port: Annotated[int, Meta(ge=1, le=65_535)] = 8000
    base_image: str = ""
    image: str = f"maskery:{__version__}"
    cpu: Annotated[float, Meta(gt=0)] = 1.0
    concurrency: Annotated[int, Meta(ge=1)] = 8
    replicas: Annotated[int, Meta(ge=1)] = 1
    max_replicas: Annotated[int, Meta(ge=1)] = 4
    settings: dict[str, Any] = {}

    @property
    def memory_mib(self) -> int:
        """The limit in whole MiB."""
        return parse_bytes("memory", self.memory) // MIB

    @property
    def millicores(self) -> int:
        """Cores in thousandths, as Kubernetes writes them."""
        return max(1, round(self.cpu * 1000))


def read_manifest(path: Path | None, overrides: Mapping[str, Any]) -> Manifest:
    """The manifest at ``path`` (None = all defaults) with ``overrides`` (None = not given) over it, checked.

    Raises ``ConfigError`` that names the key.
    """
    raw = toml.read_raw(path) if path else {}
    given = {name: value for name, value in overrides.items() if value is not None}
    manifest = toml.convert(raw | given, Manifest, str(path or "the manifest"))
    if not NAME.fullmatch(manifest.name):
        raise ConfigError(f"The name {manifest.name!r} cannot be used.", "Take lower-case letters, digits, hyphens.")
    if not manifest.models:
        raise ConfigError("The manifest names no model.", "Name at least one, as models = ['everyday'].")
    if manifest.max_replicas < manifest.replicas:
        raise ConfigError("max_replicas is less than replicas.", "Raise max_replicas.")
    if own := [key for key in manifest.settings if key in OWN_KEYS]:
        raise ConfigError(f"settings.{own[0]} does not belong there.", "The manifest, or the deployment, decides it.")
    toml.convert(manifest.settings, Settings, "settings of the manifest")
    if manifest.memory_mib < 1:
        raise ConfigError(f"memory is {manifest.memory!r}.", "Give the process at least 200MB.")
    return manifest


def manifest_text(manifest: Manifest) -> str:
    """The manifest as TOML, which ``read_manifest`` reads back."""
    values = msgspec.to_builtins(manifest)
    settings = values.pop("settings")
    lines = [
        "# What `maskery package` wrote this folder from: maskery package TARGET --manifest package.toml",
        *_lines(values),
    ]
    return "\n".join([*lines, "", "[settings]", *_lines(settings), ""])


def settings_text(manifest: Manifest, names: tuple[str, ...], host: str = "0.0.0.0") -> str:  # noqa: S104
    """The server's settings in the deployment, as TOML for ``--config``. ``names``: of the models there.

    ``memory`` is left to the limit of the container, which the server reads.
    """
    fixed = {"host": host, "port": manifest.port, "model": list(names), "precision": manifest.precision}
    return "\n".join([*_lines(fixed | {"offline": True} | manifest.settings), ""])


def _lines(values: Mapping[str, Any]) -> list[str]:
    """``key = value`` lines; strings, numbers, booleans and lists are written alike in JSON and TOML."""
    return [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
