"""Wheels of what is installed: whole, the same each time, and taken by pip."""

import base64
import hashlib
import importlib.metadata
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from maskery.core.errors import MissingExtra
from maskery.packaging import wheels
from maskery.packaging.wheels import closure, pack


def test_the_closure_is_what_a_server_needs_and_no_more() -> None:
    names = {one.metadata["Name"].lower() for one in closure()}
    assert {"maskery", "numpy", "onnxruntime", "anyio", "idna"} <= names
    assert not {"torch", "pytest", "onnx"} & names


def test_an_extra_brings_its_packages() -> None:
    assert "httpx2" in {one.metadata["Name"].lower() for one in closure(["client"])}


def test_what_is_not_installed_is_named() -> None:
    with pytest.raises(MissingExtra, match=r"no-such-package .*pip install 'no-such-package\[a\]'"):
        wheels._installed("no-such-package", "a")


def test_the_same_files_give_the_same_bytes_and_a_true_record(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    click = importlib.metadata.distribution("click")
    first, second = pack(click, tmp_path), pack(click, tmp_path / "again")
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        record = next(name for name in archive.namelist() if name.endswith("RECORD"))
        rows = [line.split(",") for line in archive.read(record).decode().splitlines()]
        assert {row[0] for row in rows} == set(archive.namelist())
        for name, digest, _ in (row for row in rows if row[1]):
            sha256 = hashlib.sha256(archive.read(name)).digest()
            assert digest == f"sha256={base64.urlsafe_b64encode(sha256).rstrip(b'=').decode()}"


def test_the_wheel_of_maskery_is_the_code_that_runs_and_pip_takes_it(tmp_path: Path) -> None:
    wheel = pack(importlib.metadata.distribution("maskery"), tmp_path, level=0)
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("maskery/packaging/wheels.py") == Path(wheels.__file__).read_bytes()
        assert not [name for name in archive.namelist() if "__pycache__" in name or name.endswith(".pth")]
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*command, "--target", tmp_path / "site", wheel], check=True)
    assert (tmp_path / "site" / "maskery" / "serving" / "web" / "index.html").is_file()
    assert (tmp_path / "site" / "bin" / "maskery").is_file()


def test_models_that_are_not_deployed_are_left_out(tmp_path: Path) -> None:
    wheel = pack(importlib.metadata.distribution("maskery"), tmp_path, level=0, models=["everyday"])
    with zipfile.ZipFile(wheel) as archive:
        held = {name.split("/")[3] for name in archive.namelist() if name.startswith(wheels.BUILTIN)}
    assert held == {"everyday"}
