"""The air-gap file: installed and served where there is no network, by a Python that has nothing else."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from maskery.core.errors import ChecksumError, ConfigError
from maskery.core.settings import Settings
from maskery.models.segmenter import load
from maskery.packaging import bundle as bundles
from maskery.packaging.bundle import open_bundle
from maskery.packaging.manifest import Manifest
from maskery.packaging.targets import write_package
from maskery.serving.app import WEB

PHOTO = WEB / "samples" / "astronaut.jpg"
# A network of its own, in which there is nothing, for those who may make one.
ALONE = ["unshare", "--net"] if shutil.which("unshare") and hasattr(os, "geteuid") and os.geteuid() == 0 else []


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "out"
    write_package("bundle", folder, Manifest(name="masks", settings={"max_queue": 7}), Settings())
    return folder / "masks.bundle"


@pytest.fixture
def light(no_wheels: None, tmp_path: Path) -> Path:
    """A bundle with the wheel of click alone."""
    write_package("bundle", tmp_path / "out", Manifest(), Settings())
    return tmp_path / "out" / "maskery.bundle"


class OverSocket(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(self._path))


@pytest.fixture
def served(bundle: Path, tmp_path: Path) -> Iterator[Path]:
    """The socket of a server that was installed from the bundle, both without a network and an environment."""
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    base = [*ALONE, sys.executable, "-I", str(bundle)]
    subprocess.run([*base, "install", str(tmp_path / "place")], env=clean, check=True, capture_output=True)
    path = tmp_path / "s.sock"
    command = [
        *ALONE,
        str(tmp_path / "place" / "bin" / "maskery"),
        "serve",
        "--bundle",
        str(bundle),
        "--uds",
        str(path),
    ]
    server = subprocess.Popen(command, env=clean, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    lines = []
    for line in server.stderr:
        lines.append(line)
        if line == f"maskery: ready on unix:{path}\n":
            break
    else:
        raise AssertionError("".join(lines))
    yield path
    server.terminate()
    assert server.wait(timeout=40) == -signal.SIGTERM
    server.stderr.close()
    assert not path.exists()


@pytest.mark.slow
def test_it_is_installed_and_answers_where_nothing_can_be_reached(served: Path) -> None:
    connection = OverSocket(served)
    connection.request("POST", "/v1/segment?format=mask", PHOTO.read_bytes())
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.read() == load("everyday").segment(PHOTO).encode("mask")
    connection.request("GET", "/")
    assert b"<!doctype html>" in connection.getresponse().read().lower()
    connection.close()


@pytest.mark.slow
def test_the_same_content_gives_the_same_file(bundle: Path, tmp_path: Path) -> None:
    write_package("bundle", tmp_path / "out", Manifest(name="masks", settings={"max_queue": 7}), Settings())
    assert (tmp_path / "out" / "masks.bundle").read_bytes() == bundle.read_bytes()


def opened(path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> bundles.OpenedBundle:
    monkeypatch.setattr(bundles, "_expect_version", lambda _, __: None)
    return open_bundle(path, place)


def test_it_is_unpacked_once_and_again_where_it_was_changed(
    light: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened(light, tmp_path / "place", monkeypatch)
    stamp = first.settings.stat().st_mtime_ns
    time.sleep(0.01)
    assert opened(light, tmp_path / "place", monkeypatch).settings.stat().st_mtime_ns == stamp
    first.settings.write_text("port = 1\n")
    assert 'model = ["everyday"]' in opened(light, tmp_path / "place", monkeypatch).settings.read_text()


def test_a_damaged_bundle_is_neither_opened_nor_installed(light: Path, tmp_path: Path) -> None:
    data = light.read_bytes()
    with zipfile.ZipFile(light) as archive:
        name = next(one for one in archive.namelist() if one.endswith(".whl"))
        content = archive.read(name)
    light.write_bytes(data.replace(content[:64], content[:63] + bytes([content[63] ^ 1]), 1))
    with pytest.raises(ChecksumError, match=r"click-.*whl .*is damaged"):
        open_bundle(light, tmp_path / "place")
    command = [sys.executable, str(light), "install", str(tmp_path / "there")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert not (tmp_path / "there").exists()


def test_a_bundle_of_another_version_and_what_is_none_are_refused(light: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="another version"):
        open_bundle(light, tmp_path)
    with pytest.raises(ConfigError, match="is no bundle"):
        open_bundle(PHOTO, tmp_path)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(ConfigError, match="SHA256SUMS"):
        open_bundle(tmp_path / "other.zip", tmp_path)


def test_another_python_is_refused_with_words(light: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(light) as archive:
        program = archive.read("__main__.py").decode()
    (tmp_path / "main.py").write_text(program.replace('PYTHON = "3.', 'PYTHON = "2.'))
    command = [sys.executable, str(tmp_path / "main.py"), "install", str(tmp_path / "there")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "This bundle is for Python 2." in done.stderr
