"""``maskery package kubernetes``: kustomize base and overlays, the same as a Helm chart, and KServe's resources.

The image is what the target docker builds.
"""

import math
from pathlib import Path

from maskery.core.errors import ConfigError
from maskery.core.files import write_whole
from maskery.packaging.context import Content, render, values_of
from maskery.packaging.manifest import MANIFEST_NAME, Manifest, manifest_text


def write_kubernetes(folder: Path, manifest: Manifest, content: Content) -> list[str]:
    """Write the manifests into ``folder``; the commands that apply them, for people.

    Raises ``ConfigError`` for an image without a tag, which a cluster would take for the latest, ``OSError``.
    """
    name, _, tag = manifest.image.rpartition(":")
    if not name or "/" in tag:
        raise ConfigError(f"The image {manifest.image!r} has no tag.", "Write image = 'registry.example/maskery:1'.")
    values = values_of(manifest, content) | {
        "image_name": name,
        "image_tag": tag,
        "threads": str(math.ceil(manifest.cpu)),
        "queue_target": str(manifest.concurrency),
    }
    render("kubernetes", folder, values)
    write_whole(folder / MANIFEST_NAME, manifest_text(manifest))
    return [
        f"maskery package docker --manifest {folder}/{MANIFEST_NAME} -o image/, build it, push {manifest.image}",
        f"kubectl apply -k {folder}/overlays/cpu",
        f"or: helm install {manifest.name} {folder}/chart",
    ]
