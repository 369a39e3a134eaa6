"""The BentoML service: built, served, and asked beside ours. ``make bento`` makes BentoML's environment and calls it.

Not in the suite: BentoML's 60 packages pin what Maskery runs on too, so it has an environment of its own.
"""

import ast
import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from maskery.core.settings import Settings
from maskery.models.segmenter import load
from maskery.packaging.manifest import Manifest
from maskery.packaging.targets import write_package
from maskery.serving.app import WEB

BIN = os.environ.get("BENTO", "")
served_only = pytest.mark.skipif(not BIN, reason="make bento runs it: BENTO is not set")
PHOTO = WEB / "samples" / "chelsea.jpg"
BOUNDARY = "maskery-test"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bento") / "out"
    write_package("bento", out, Manifest(name="masks", models=("everyday", "cifar10")), Settings())
    return out


def test_the_service_names_its_models_and_its_wheel(folder: Path) -> None:
    ast.parse((folder / "service.py").read_text())
    bentofile = yaml.safe_load((folder / "bentofile.yaml").read_text())
    assert bentofile["service"] == "service:Maskery"
    assert [path.name for path in (folder / "wheels").iterdir()] == [Path(bentofile["python"]["wheels"][0]).name]
    assert "numpy==" in (folder / "requirements.txt").read_text()


@pytest.fixture(scope="module")
def port(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of a built Bento that is served."""
    home = tmp_path_factory.mktemp("home")
    clean = {
        "PATH": f"{BIN}:/usr/bin:/bin",
        "HOME": str(home),
        "BENTOML_HOME": str(home),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    subprocess.run([f"{BIN}/bentoml", "build"], cwd=folder, env=clean, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [f"{BIN}/bentoml", "serve", "masks:latest", "--host", "127.0.0.1", "--port", str(port)]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=home, env=clean, stdout=log, stderr=log)
        end = time.monotonic() + 120
        while not _ready(port):
            assert server.poll() is None, (home / "log").read_text()
            assert time.monotonic() < end, (home / "log").read_text()
            time.sleep(0.3)
        yield port
        server.terminate()
        server.wait(timeout=60)


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def ask(port: int, route: str, photo: bytes, **fields: str) -> tuple[int, bytes]:
    begin = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name="
    parts = [f'{begin}"{name}"\r\n\r\n{value}\r\n'.encode() for name, value in fields.items()]
    head = f'{begin}"image"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    body = b"".join([*parts, head.encode(), photo, f"\r\n--{BOUNDARY}--\r\n".encode()])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", route, body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@served_only
@pytest.mark.parametrize("route", ["mask", "overlay", "cutout"])
def test_the_bento_answers_as_the_server_does_byte_for_byte(port: int, route: str) -> None:
    status, body = ask(port, f"/{route}", PHOTO.read_bytes())
    assert status == 200, body
    assert body == load("everyday").segment(PHOTO).encode(route)


@served_only
def test_the_classifier_and_the_classes(port: int) -> None:
    def plain(summary: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in summary.items() if name in ("classes", "top", "model")}

    for model in ("everyday", "cifar10"):
        status, body = ask(port, "/predict", PHOTO.read_bytes(), model=model)
        assert status == 200, body
        ours = json.loads(json.dumps(load(model).segment(PHOTO).summary()))
        assert plain(json.loads(body)) == plain(ours)
        assert plain(ours)


@served_only
def test_what_is_wrong_is_the_callers_fault(port: int) -> None:
    status, body = ask(port, "/mask", PHOTO.read_bytes(), model="everydya")
    assert (status, b"everydya" in body) == (400, True)
    status, body = ask(port, "/mask", b"\xff\xd8\xff no picture")
    assert status == 400, body
    status, body = ask(port, "/mask", PHOTO.read_bytes(), model="cifar10")
    assert status == 400, body
