"""Health, setup and webhooks, and what every endpoint refuses."""

import json

import pytest
from starlette.testclient import TestClient

from tests.serving.protocols.label_studio.requests import BRUSH


def test_other_endpoints(client: TestClient) -> None:
    for path in ("", "/", "/health", "/models/everyday", "/models/everyday/health"):
        assert client.get("/label-studio" + path).json() == {"status": "UP", "model_class": "everyday"}
    assert client.get("/label-studio/metrics").json() == {}
    assert client.post("/label-studio/setup", json={"project": "1.2"}).json() == {"model_version": "everyday:1.0.0"}
    for action in ("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATION_DELETED"):
        response = client.post("/label-studio/webhook", json={"action": action, "project": {"id": 1}})
        assert (response.status_code, response.json()) == (201, {"result": None, "status": "ok"})
    training = client.post("/label-studio/webhook", json={"action": "START_TRAINING"})
    assert training.status_code == 201
    assert "maskery train" in training.json()["result"]
    unknown = client.post("/label-studio/webhook", json={"action": "TASK_CREATED"})
    assert (unknown.status_code, unknown.json()) == (200, {"status": "Unknown event"})


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/predict", b"nonsense", 400, "not a prediction request"),
        ("/predict", b"{}", 400, "missing required field"),
        ("/predict", json.dumps({"tasks": [], "label_config": None}).encode(), 400, "label_config"),
        ("/predict", json.dumps({"tasks": {}, "label_config": BRUSH}).encode(), 400, "tasks"),
        ("/predict", json.dumps({"tasks": [{}] * 1001, "label_config": BRUSH}).encode(), 400, "at most 1,000"),
        ("/predict", json.dumps({"tasks": [], "label_config": "<!DOCTYPE a><a/>"}).encode(), 400, "DOCTYPE"),
        ("/predict", b'{"tasks": [' + b"{}," * 1_100_000 + b'{}], "label_config": ""}', 400, "are read"),
        ("/predict", bytes(6_000_000), 413, "limit is 4,000,000"),
        ("/setup", b'{"schema": "<View/>"}', 400, "BrushLabels"),
        ("/setup", b'{"schema": 5}', 400, "schema"),
        ("/webhook", b"[]", 400, "not a webhook"),
        ("/models/nothing/setup", b"{}", 404, "nothing"),
        ("/train", b"{}", 404, "/label-studio/train"),
    ],
)
def test_wrong_requests(client: TestClient, path: str, body: bytes, status: int, says: str) -> None:
    response = client.post("/label-studio" + path, content=body)
    assert response.status_code == status, response.text
    answer = response.json()
    assert set(answer) == {"status", "detail"}
    assert answer["status"] == status
    assert says in answer["detail"]
    assert "Traceback" not in response.text
