"""What ``make dist`` refuses to release. The building itself is what ``make dist`` does, in CI."""

import importlib.util
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path
from types import ModuleType

import pytest

from maskery.packaging.wheels import pack
from tests.material import ROOT


@pytest.fixture(scope="module")
def dist() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dist", ROOT / ".ci" / "dist.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(distribution("maskery"), tmp_path_factory.mktemp("wheel"), level=0)


def test_a_sound_wheel_has_no_faults(dist: ModuleType, wheel: Path) -> None:
    assert dist.faults_of_wheel(wheel) == []


def test_missing_damaged_and_foreign_files_are_named(dist: ModuleType, wheel: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.whl"
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(broken, "w") as target:
        for name in source.namelist():
            if name.endswith(("web/index.html", "LICENSE")):
                continue
            data = source.read(name)
            target.writestr(name, data[:-1] if name.endswith("everyday.onnx") else data)
        target.writestr("maskery/shared/data/photo.jpg", b"")
    faults = "\n".join(dist.faults_of_wheel(broken))
    for part in ("web/index.html is missing", "LICENSE is missing", "everyday.onnx is missing or not", "shared/data"):
        assert part in faults


def test_a_source_archive_without_its_licence(dist: ModuleType, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.add(ROOT / "pyproject.toml", "maskery-0.1.0/pyproject.toml")
        archive.add(ROOT / "pyproject.toml", "maskery-0.1.0/secret.pem")
    faults = dist.faults_of_sdist(tmp_path / "a.tar.gz")
    assert faults == ["LICENSE is missing", "CHANGELOG.md is missing", "secret.pem does not belong there"]


def test_sums_are_those_of_sha256sum(dist: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RELEASE_KEY", raising=False)
    (tmp_path / "a").write_bytes(b"1")
    dist.sign(tmp_path)
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tmp_path, check=True)


def test_an_interpreter_is_found(dist: ModuleType) -> None:
    assert 1 <= len(dist.pythons()) <= 2
    assert sys.version_info >= (3, 11)
