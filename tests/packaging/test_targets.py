"""Targets by name: whole folders or none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from maskery.core.errors import ConfigError, OutputError
from maskery.core.settings import Settings
from maskery.packaging.manifest import Manifest
from maskery.packaging.targets import write_package


def test_an_unknown_target_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'docker'"):
        write_package("dokcer", tmp_path / "out", Manifest(), Settings())


@pytest.mark.usefixtures("no_wheels")
def test_a_package_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    for _ in range(2):
        commands = write_package("docker", tmp_path / "out", Manifest(), Settings())
    assert str(tmp_path / "out") in commands[0]
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    with pytest.raises(ConfigError, match="something else"):
        write_package("docker", tmp_path / "home", Manifest(), Settings())
    assert (tmp_path / "home" / "letter.txt").read_text() == "dear"


@pytest.mark.usefixtures("no_wheels")
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="could not be written"):
        write_package("docker", tmp_path / "file" / "out", Manifest(), Settings())


def test_onnx_runtime_sends_nothing_from_what_is_packaged_or_imported() -> None:
    program = "import maskery, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    clean = {name: text for name, text in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    assert subprocess.check_output([sys.executable, "-c", program], env=clean, text=True) == "1\n"
