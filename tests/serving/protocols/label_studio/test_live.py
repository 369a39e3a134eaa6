"""A real server, asked as Label Studio asks it: requests as they were captured, and the example of the page."""

import http.client
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from maskery.core.labels import VOC
from tests.material import ROOT, decoded, encoded, photo
from tests.recipes import block, shell
from tests.serving.live import Server
from tests.serving.protocols.label_studio.requests import BRUSH, Json, data_url, drawn


@pytest.fixture
def server(plain_server: Server) -> Server:
    return plain_server


def call(server: Server, verb: str, path: str, body: Json | None = None) -> tuple[int, Json]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    headers = {"User-Agent": "heartex/1.13.1", "Accept-Encoding": "gzip, deflate", "Accept": "*/*"}
    try:
        text = None if body is None else json.dumps(body)
        connection.request(verb, "/label-studio" + path, text, headers | {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_the_life_of_a_connected_project(server: Server) -> None:
    assert call(server, "GET", "/health") == (200, {"status": "UP", "model_class": "everyday"})
    setup = {
        "project": "5.1763721000",
        "schema": BRUSH,
        "hostname": "http://localhost:8080",
        "access_token": "0123456789abcdef",
        "extra_params": None,
    }
    status, told = call(server, "POST", "/setup", setup)
    assert (status, told["model_version"]) == (200, "everyday:1.0.0")
    picture = encoded(photo("astronaut"), "JPEG")
    task = {"id": 1, "data": {"image": data_url(picture)}, "predictions": [], "annotations": []}
    request = {
        "tasks": [task, {"id": 2, "data": {"image": "/data/upload/5/x.jpg"}}],
        "model_version": "everyday:1.0.0",
        "project": "5.1763721000",
        "label_config": BRUSH,
        "params": {"login": None, "password": None, "context": None},
    }
    status, answer = call(server, "POST", "/predict", request)
    assert status == 200
    good, bad = answer["results"]
    _, mask = server.post(picture, "?format=mask")
    (person,) = (item for item in good["result"] if item["value"]["brushlabels"] == ["person"])
    assert np.array_equal(drawn(person), decoded(mask) == VOC.index("person"))
    assert "MASKERY_LABEL_STUDIO_URL" in bad["error"]
    event = {"action": "ANNOTATION_CREATED", "annotation": {"id": 1}, "project": {"id": 5, "label_config": BRUSH}}
    assert call(server, "POST", "/webhook", event) == (201, {"result": None, "status": "ok"})
    assert call(server, "GET", "/metrics") == (200, {})


def test_the_example_of_the_page(server: Server, tmp_path: Path) -> None:
    if shutil.which("base64") is None:
        pytest.skip("base64 is not installed")
    (tmp_path / "photo.jpg").write_bytes(encoded(photo("chelsea"), "JPEG"))
    script = block(ROOT / "docs" / "protocols" / "label-studio.md", "sh", "curl")
    shell(script.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}"), tmp_path)
    (prediction,) = json.loads((tmp_path / "prediction.json").read_text())["results"]
    (cat,) = prediction["result"]
    assert cat["value"]["brushlabels"] == ["Cat"]
    _, mask = server.post((tmp_path / "photo.jpg").read_bytes(), "?format=mask")
    assert np.array_equal(drawn(cat), decoded(mask) == VOC.index("cat"))
