"""The manifest of a deployment: read, overridden, refused, written back."""

from pathlib import Path
from typing import Any

import pytest

from maskery.core.errors import ConfigError
from maskery.core.settings import load_settings
from maskery.packaging.manifest import Manifest, manifest_text, read_manifest, settings_text
from tests.recipes import block


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    manifest = Manifest(
        models=("faces", "everyday"), cpu=0.5, settings={"cors": ["*"], "trust_proxy": True, "timeout": 5.5}
    )
    (tmp_path / "package.toml").write_text(manifest_text(manifest))
    assert read_manifest(tmp_path / "package.toml", {}) == manifest


def test_options_are_nearer_than_the_file(tmp_path: Path) -> None:
    (tmp_path / "package.toml").write_text("port = 9000\nmemory = '1GiB'\n")
    manifest = read_manifest(tmp_path / "package.toml", {"port": 80, "memory": None})
    assert (manifest.port, manifest.memory_mib, manifest.millicores) == (80, 1024, 1000)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"prot": 80}, "prot"),
        ({"name": "Mask ery"}, "lower-case"),
        ({"models": []}, "names no model"),
        ({"port": 0}, "port"),
        ({"memory": "lots"}, "512MB"),
        ({"replicas": 5}, "max_replicas"),
        ({"settings": {"port": 80}}, "settings.port"),
        ({"settings": {"max_pixel": 80}}, "max_pixels"),
    ],
)
def test_what_cannot_be_is_refused_by_name(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_manifest(None, given)


def test_the_settings_of_the_deployment_are_settings(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(settings_text(Manifest(port=9000, settings={"max_queue": 3}), ("everyday",)))
    settings = load_settings({}, {}, path)
    assert (settings.host, settings.port, settings.max_queue, settings.offline) == ("0.0.0.0", 9000, 3, True)


def test_the_manifests_on_the_pages_are_manifests(tmp_path: Path) -> None:
    pages = Path(__file__).parents[2] / "docs" / "deploy"
    for page, name in (("docker.md", "masks"), ("kubernetes.md", "masks")):
        (tmp_path / "package.toml").write_text(block(pages / page, "toml", "name ="))
        assert read_manifest(tmp_path / "package.toml", {}).name == name
