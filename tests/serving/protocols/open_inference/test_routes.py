"""The server's own endpoints, and verbs and paths that there are not."""

import pytest
from starlette.testclient import TestClient

from maskery.core.version import __version__
from maskery.models.catalog import builtin


def test_server_and_health(client: TestClient) -> None:
    extensions = ["binary_tensor_data", "model_repository"]
    assert client.get("/v2").json() == {"name": "maskery", "version": __version__, "extensions": extensions}
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert sorted(client.get("/v2/models").json()["models"]) == list(builtin())


def test_wrong_verbs(client: TestClient) -> None:
    assert client.head("/v2/health/live").status_code == 200
    for verb, path in (("POST", "/v2"), ("GET", "/v2/repository/index"), ("DELETE", "/v2/models/everyday")):
        response = client.request(verb, path)
        assert response.status_code == 405
        assert "Allow" in response.headers
        assert set(response.json()) == {"error"}


@pytest.mark.parametrize("path", ["/v2/nothing", "/v2/models/everyday/nothing", "/v2/models/everyday/versions"])
def test_other_paths_have_their_404_in_the_envelope(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()) == (404, {"error": f"There is nothing at {path}."})
