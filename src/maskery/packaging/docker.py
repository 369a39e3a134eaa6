"""``maskery package docker``: a Dockerfile with all that it builds from, and a compose file with limits."""

from pathlib import Path

from maskery.packaging.context import Content, render, values_of, write_context
from maskery.packaging.manifest import Manifest


def write_docker(folder: Path, manifest: Manifest, content: Content) -> list[str]:
    """Write the build context into ``folder``; the commands that build and run it, for people.

    Raises as ``write_context``.
    """
    write_context(folder, manifest, content)
    render("docker", folder, values_of(manifest, content))
    return [
        f"docker build -t {manifest.image} {folder}",
        f"docker run --rm --read-only --memory {manifest.memory_mib}m -p {manifest.port}:{manifest.port} "
        f"{manifest.image}",
    ]
