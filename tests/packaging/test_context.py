"""Build contexts: model files as the store has them, sums that sha256sum checks, templates filled in."""

import shutil
import subprocess
from pathlib import Path

import pytest

from maskery.core.card import CARD_NAME
from maskery.core.errors import ChecksumError, ConfigError
from maskery.core.settings import Settings
from maskery.models.catalog import builtin
from maskery.packaging.context import AtTemplate, content_of, values_of, write_context, write_sums
from maskery.packaging.manifest import Manifest


@pytest.fixture
def own_model(tmp_path: Path) -> Path:
    """A model given by its folder."""
    folder = tmp_path / "mine"
    shutil.copytree(builtin()["everyday"], folder)
    (folder / CARD_NAME).write_text((folder / CARD_NAME).read_text().replace('name = "everyday"', 'name = "mine"'))
    return folder


@pytest.mark.usefixtures("no_wheels")
def test_a_model_of_ones_own_goes_along_and_is_found_there(own_model: Path, tmp_path: Path) -> None:
    manifest = Manifest(models=(str(own_model), "everyday"))
    content = content_of(manifest, Settings())
    write_context(tmp_path / "out", manifest, content)
    assert content.names == ("mine", "everyday")
    assert sorted(path.name for path in (tmp_path / "out" / "models" / "mine").iterdir()) == [
        "everyday.onnx",
        "int8",
        CARD_NAME,
    ]
    shutil.copytree(tmp_path / "out" / "models", tmp_path / "cache" / "models")
    assert content_of(Manifest(models=("mine",)), Settings(cache=str(tmp_path / "cache"))).names == ("mine",)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=tmp_path / "out", check=True)


def test_a_damaged_model_is_not_packaged(own_model: Path) -> None:
    (own_model / "everyday.onnx").write_bytes(b"x" * (own_model / "everyday.onnx").stat().st_size)
    with pytest.raises(ChecksumError):
        content_of(Manifest(models=(str(own_model),)), Settings())


def test_a_precision_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match="int4"):
        content_of(Manifest(precision="int4"), Settings())
    with pytest.raises(ConfigError, match="no int8 twin"):
        content_of(Manifest(models=("faces",), precision="int8"), Settings())


def test_sums_cover_every_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("1")
    (tmp_path / "c").write_text("2")
    write_sums(tmp_path)
    assert [line.split()[1] for line in (tmp_path / "SHA256SUMS").read_text().splitlines()] == ["a/b", "c"]


def test_templates_leave_other_languages_alone() -> None:
    text = "${A} {{ .Values.a }} {% b %} user@example.org @{port}"
    assert AtTemplate(text).substitute({"port": "1"}) == "${A} {{ .Values.a }} {% b %} user@example.org 1"
    with pytest.raises(KeyError):
        AtTemplate("@{no}").substitute({})


def test_a_detector_goes_along_and_its_licence_counts() -> None:
    content = content_of(Manifest(models=("faces",)), Settings())
    assert content.built_in == {"faces", "face-finder"}
    licences = {one.card.licence.name for one in content.all}
    assert set(values_of(Manifest(), content)["licences"].split(" AND ")) == {"Apache-2.0", *licences}
