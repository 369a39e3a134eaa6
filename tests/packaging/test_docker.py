"""What is written for Docker; ``test_container`` builds and runs it."""

import re
from pathlib import Path

import pytest
import yaml

from maskery.core.settings import Settings
from maskery.packaging.manifest import Manifest
from maskery.packaging.targets import write_package


@pytest.fixture
def folder(no_wheels: None, tmp_path: Path) -> Path:
    manifest = Manifest(
        models=("everyday", "faces"), port=9000, memory="512MiB", cpu=0.5, base_image="here/python:3.12"
    )
    write_package("docker", tmp_path / "out", manifest, Settings())
    return tmp_path / "out"


def test_the_dockerfile_confines_and_checks(folder: Path) -> None:
    text = (folder / "Dockerfile").read_text()
    assert "ARG BASE_IMAGE=here/python:3.12" in text
    assert len(re.findall(r"^FROM ", text, re.M)) == 2
    for line in ("USER 10001:10001", "EXPOSE 9000", "STOPSIGNAL SIGTERM", "ORT_DISABLE_TELEMETRY=1", "--no-index"):
        assert line in text
    assert "sha256sum --check" in text
    assert "models verify everyday faces" in text
    assert "'127.0.0.1', 9000" in text


def test_the_compose_file_has_limits(folder: Path) -> None:
    service = yaml.safe_load((folder / "compose.yaml").read_text())["services"]["maskery"]
    assert (service["mem_limit"], service["cpus"], service["read_only"]) == ("512m", 0.5, True)
    assert service["ports"] == ["9000:9000"]
    assert service["cap_drop"] == ["ALL"]
