"""Server and model metadata, health, and the model repository."""

from starlette.testclient import TestClient

from maskery.core.labels import VOC
from tests.material import encoded, photo
from tests.serving.protocols.open_inference.wire import infer_bytes

CHANGE = "/v2/repository/models/everyday"


def test_a_model(client: TestClient) -> None:
    found = client.get("/v2/models/everyday").json()
    assert found == client.get("/v2/models/everyday/versions/1.0.0").json()
    assert found["versions"] == ["1.0.0"]
    assert found["platform"] == "onnx_onnxv1"
    assert found["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1]}]
    assert all(label in found["parameters"]["labels"] for label in VOC)
    assert all(isinstance(value, str) for value in found["parameters"].values())
    assert client.get("/v2/models/everyday/ready").json() == {"name": "everyday", "ready": True}
    assert client.get("/v2/models/everyday/versions/1.0.0/ready").status_code == 200


def test_models_and_versions_that_are_not_here(client: TestClient) -> None:
    for path in ("nothing", "nothing/ready", "everyday/versions/2", "everyday/versions/2/ready", "..%2f..%2fx"):
        response = client.get(f"/v2/models/{path}")
        assert response.status_code == 404, path
        assert set(response.json()) == {"error"}
    for verb in ("load", "unload"):
        response = client.post(f"/v2/repository/models/nothing/{verb}")
        assert (response.status_code, "nothing" in response.json()["error"]) == (404, True)


def states(client: TestClient, body: bytes = b"") -> list[dict[str, str]]:
    """What the index says of ``everyday``; it lists the other built-in models, too."""
    entries: list[dict[str, str]] = client.post("/v2/repository/index", content=body).json()
    return [entry for entry in entries if entry["name"] == "everyday"]


def test_the_repository(client: TestClient) -> None:
    ready = [{"name": "everyday", "version": "1.0.0", "state": "READY", "reason": ""}]
    for body in (b"", b"{}", b'{"ready": true}', b'{"ready": false}'):
        assert states(client, body) == ready
    assert client.post(CHANGE + "/unload", json={"parameters": {"unload_dependents": False}}).content == b""
    (state,) = states(client)
    assert (state["state"], state["reason"]) == ("UNAVAILABLE", "unloaded: asked for by hand")
    assert states(client, b'{"ready": true}') == []
    response = client.get("/v2/models/everyday/ready")
    assert (response.status_code, response.json()) == (503, {"name": "everyday", "ready": False})
    assert client.post(CHANGE + "/load").status_code == 200
    assert states(client) == ready
    client.post(CHANGE + "/unload")
    picture = encoded(photo("chelsea"), "JPEG", (60, 40))
    assert infer_bytes(client, picture).status_code == 200  # loads it again
    assert client.get("/v2/models/everyday/ready").status_code == 200


def test_wrong_requests_to_the_repository(client: TestClient) -> None:
    wrong = (
        ("index", b"[", "not a repository index"),
        ("index", b'{"raedy": true}', "unknown field"),
        ("index", b'{"ready": 1}', "Expected `bool`"),
        ("models/everyday/load", b'{"parameters": {"config": "{}"}}', "config of load are not supported"),
        ("models/everyday/load", b'{"parameters": {"file:1/model.onnx": "AAAA"}}', "file:1/model.onnx"),
        ("models/everyday/unload", b'{"parameters": {"unload_dependent": true}}', "Did you mean 'unload_dependents'"),
        ("models/everyday/unload", b'{"parameters": {"unload_dependents": "x"}}', "true or false"),
        ("models/everyday/unload", b"\xff", "not a load or unload request"),
    )
    for path, body, says in wrong:
        response = client.post(f"/v2/repository/{path}", content=body)
        assert response.status_code == 400
        assert says in response.json()["error"]
    assert client.get("/v2/models/everyday/ready").status_code == 200


def test_a_model_that_is_wrong_is_not_ready(client: TestClient) -> None:
    pool = client.app.state.service.pool.views()  # type: ignore[attr-defined]
    pooled = next(one for one in pool if one.card.name == "everyday")
    before = pooled.state, pooled.reason
    pooled.state, pooled.reason = "wrong", "person covers 0.1, expected 0.5"
    try:
        assert client.get("/v2/models/everyday/ready").json()["ready"] is False
        assert client.get("/v2/health/ready").status_code == 503
        (state,) = states(client)
        assert (state["state"], state["reason"]) == ("UNAVAILABLE", "wrong: person covers 0.1, expected 0.5")
    finally:
        pooled.state, pooled.reason = before
