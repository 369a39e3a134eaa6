"""``maskery package bento``: a BentoML service around the same pipeline."""

from pathlib import Path

from maskery.core.files import write_whole
from maskery.packaging.context import Content, render, values_of, write_models, write_sums
from maskery.packaging.manifest import MANIFEST_NAME, Manifest, manifest_text
from maskery.packaging.wheels import closure, pack, python_version


def write_bento(folder: Path, manifest: Manifest, content: Content) -> list[str]:
    """Write the service, its bentofile, Maskery's wheel and the models; the commands that build it, for people.

    Its other packages are pinned, and come from an index when BentoML makes an image. Raises ``OSError``.
    """
    (folder / "wheels").mkdir(parents=True)
    distributions = closure(content.extras)
    (own,) = [one for one in distributions if one.metadata["Name"].lower() == "maskery"]
    wheel = pack(own, folder / "wheels", models=content.built_in).name
    pinned = [f"{one.metadata['Name'].lower()}=={one.version}" for one in distributions if one is not own]
    write_whole(folder / "requirements.txt", "\n".join([*pinned, ""]))
    write_models(folder / "cache" / "models", content)
    more = {"wheel": wheel, "python": python_version(), "label_models": "-".join(content.names)}
    render("bento", folder, values_of(manifest, content) | more)
    write_whole(folder / MANIFEST_NAME, manifest_text(manifest))
    write_sums(folder)
    return [
        f"pip install bentoml==1.4.40 -r {folder}/requirements.txt {folder}/wheels/{wheel}",
        f"cd {folder} && bentoml build && bentoml serve {manifest.name}:latest",
    ]
