"""``maskery package systemd`` and ``cloudrun``: a machine of one's own, and one that comes and goes with the load."""

import math
from pathlib import Path

import msgspec

from maskery.core.files import write_whole
from maskery.packaging.bundle import write_bundle
from maskery.packaging.context import Content, render, values_of
from maskery.packaging.docker import write_docker
from maskery.packaging.manifest import MANIFEST_NAME, Manifest, manifest_text

PREFIX = "/opt/maskery"


def write_systemd(folder: Path, manifest: Manifest, content: Content) -> list[str]:
    """Write a bundle, a hardened unit that serves it on a Unix socket, a proxy's configuration and an installer.

    Raises as ``write_bundle``.
    """
    write_bundle(folder, manifest, content)
    more = {"prefix": PREFIX, "threads": _threads(manifest), "cpu_percent": str(round(manifest.cpu * 100))}
    render("systemd", folder, values_of(manifest, content) | more)
    return [
        f"sudo {folder}/install.sh    # on the machine that is to serve",
        f"curl --unix-socket /run/{manifest.name}/{manifest.name}.sock http://localhost/readyz",
    ]


def write_cloudrun(folder: Path, manifest: Manifest, content: Content) -> list[str]:
    """Write the service, the image's build context, and a script that builds, pushes and deploys.

    Pictures by URL are off there unless the manifest sets them: metadata servers are near. Raises as ``write_docker``.
    """
    settings = {"url_input": "off"} | manifest.settings
    write_docker(folder / "image", msgspec.structs.replace(manifest, settings=settings), content)
    render("cloudrun", folder, values_of(manifest, content) | {"threads": _threads(manifest)})
    write_whole(folder / MANIFEST_NAME, manifest_text(manifest))
    return [f"PROJECT=my-project REGION=europe-west1 {folder}/deploy.sh"]


def _threads(manifest: Manifest) -> str:
    """Whole cores."""
    return str(math.ceil(manifest.cpu))
