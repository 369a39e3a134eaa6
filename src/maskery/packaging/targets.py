"""The targets of ``maskery package`` by name."""

from collections.abc import Callable
from pathlib import Path

from maskery.core.errors import ConfigError, nearest
from maskery.core.files import whole_folder, writing
from maskery.core.settings import Settings
from maskery.packaging.bento import write_bento
from maskery.packaging.bundle import write_bundle
from maskery.packaging.context import Content, content_of
from maskery.packaging.docker import write_docker
from maskery.packaging.hosts import write_cloudrun, write_systemd
from maskery.packaging.kubernetes import write_kubernetes
from maskery.packaging.manifest import Manifest

Write = Callable[[Path, Manifest, Content], list[str]]

TARGETS: dict[str, Write] = {
    "docker": write_docker,
    "kubernetes": write_kubernetes,
    "cloudrun": write_cloudrun,
    "systemd": write_systemd,
    "bundle": write_bundle,
    "bento": write_bento,
}


def write_package(target: str, folder: Path, manifest: Manifest, settings: Settings) -> list[str]:
    """Write the deployment of ``target``, whole or not at all; the commands that come next, for people.

    ``settings``: of this machine, which say where models are. Raises ``ConfigError`` for an unknown target or a folder
    that holds something else, ``OutputError`` where it cannot be written, and what finding the models raises.
    """
    if target not in TARGETS:
        raise ConfigError(f"There is no target {target!r}.", nearest(target, TARGETS))
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / "package.toml").exists())):
        raise ConfigError(f"{folder} holds something else.", "Name a folder that is new or empty.")
    content = content_of(manifest, settings)
    with writing(folder), whole_folder(folder) as partial:
        commands = TARGETS[target](partial, manifest, content)
    return [line.replace(str(partial), str(folder)) for line in commands]
