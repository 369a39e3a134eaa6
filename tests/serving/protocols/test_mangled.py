"""Messages with wrong keys, types, sizes and bytes: never a 5xx, and the server lives on."""

import base64
import json
import random
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.material import encoded, photo
from tests.serving.protocols.label_studio.requests import BRUSH, data_url

PICTURE = encoded(photo("chelsea"), "JPEG", (60, 40))
TEXT = base64.b64encode(PICTURE).decode()
PIXELS = {"name": "image", "shape": [2, 2, 3], "datatype": "UINT8", "data": [0] * 12, "parameters": {}}
WANTED = [{"name": "class_map", "parameters": {"binary_data": True}}, {"name": "summary"}]
# Path -> a good message.
MESSAGES: dict[str, Any] = {
    "/v2/models/everyday/infer": {
        "id": "1",
        "inputs": [PIXELS],
        "outputs": WANTED,
        "parameters": {"max_side": 64, "classes": "cat", "binary_data_output": False},
        "model_name": "everyday",
    },
    "/v2/models/everyday/infer?": {"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": [TEXT]}]},
    "/v2/repository/index": {"ready": True},
    "/v2/repository/models/everyday/unload": {"parameters": {"unload_dependents": False}},
    "/label-studio/predict": {
        "tasks": [{"id": 1, "data": {"image": data_url(PICTURE)}}, {"id": 2, "data": {"image": "x"}}],
        "label_config": BRUSH,
    },
    "/label-studio/setup": {"project": "1.2", "schema": BRUSH.replace("Brush", "Polygon")},
    "/label-studio/webhook": {"action": "START_TRAINING", "project": {"id": 1}},
    "/hf/everyday": {"inputs": TEXT, "parameters": {"threshold": 0.5, "subtask": "semantic"}},
    "/v1/segment": {"image": {"base64": TEXT}, "format": "mask", "classes": ["cat"], "max_side": 64, "options": {}},
}
ODD = [
    None, True, -1, 1.5, 1e308, 10**40, "", "é\0", "a" * 5000, [], {}, [[]], [1, 2], {"a": 1}, "BYTES", "FP16",
    [0] * 12, "data:", "/data/upload/x", "http://[::1", "s3://b", "<a>&b;</a>",
]  # fmt: skip


def changed(value: Any, rng: random.Random) -> Any:
    """``value`` with some parts replaced, left out, renamed or doubled."""
    if rng.random() < 0.1:
        return rng.choice(ODD)
    if isinstance(value, dict):
        kept = {key: part for key, part in value.items() if rng.random() > 0.04}
        return {key + "x" * (rng.random() < 0.04): changed(part, rng) for key, part in kept.items()}
    if isinstance(value, list):
        return [changed(part, rng) for part in value] * (1 + (rng.random() < 0.05))
    return value


def mangled(data: bytes, rng: random.Random) -> bytes:
    """``data`` with some bytes replaced, left out or added."""
    found = bytearray(data)
    for _ in range(rng.choice([0, 0, 1, 3, 10])):
        place, few = rng.randrange(len(found) + 1), rng.randrange(4)
        found[place : place + rng.randrange(6)] = rng.randbytes(few)
    return bytes(found)


@pytest.mark.parametrize("path", MESSAGES)
def test_messages_that_are_not_in_order(quick_client: TestClient, path: str) -> None:
    rng = random.Random(path)
    refused = 0
    for _ in range(120):
        response = quick_client.post(path, content=mangled(json.dumps(changed(MESSAGES[path], rng)).encode(), rng))
        assert response.status_code < 500, f"{response.request.content[:1000]!r}: {response.text}"
        refused += response.status_code >= 400
    assert refused > 20
    assert quick_client.post(path, json=MESSAGES[path]).status_code in (200, 201)
