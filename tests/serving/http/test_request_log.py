"""Every answer names its request, and so does the log."""

import anyio.to_thread
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from maskery.serving.http.request_log import HEADER, SANE, RequestIds, own_path, request_id


async def in_a_thread(_: Request) -> Response:
    return PlainTextResponse(await anyio.to_thread.run_sync(request_id.get))


@pytest.fixture
def echo() -> TestClient:
    """Answers with the id that code in a worker thread sees."""
    return TestClient(RequestIds(Starlette(routes=[Route("/", in_a_thread)])))


@pytest.mark.parametrize("name", ["a", "A-z_0.9", "x" * 64, "0f8fad5b-d9cb-469f-a165-70867728950e"])
def test_a_sane_id_is_kept(echo: TestClient, name: str) -> None:
    response = echo.get("/", headers={HEADER: name})
    assert response.headers[HEADER] == name
    assert response.text == name


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "two words", "a/b", 'a"b', "a\tb", "a;b", "größe".encode()])
def test_another_one_is_replaced(echo: TestClient, name: str | bytes) -> None:
    response = echo.get("/", headers={HEADER: name})
    made = response.headers[HEADER]
    assert made != name
    assert SANE.fullmatch(made)
    assert response.text == made


def test_each_request_has_its_own(echo: TestClient) -> None:
    assert len({echo.get("/").headers[HEADER] for _ in range(20)}) == 20
    assert request_id.get() == "-"


def test_every_answer_has_one(client: TestClient) -> None:
    for path in ("/", "/static/app.js", "/livez", "/v1/models", "/v1/models/nothing", "/nowhere"):
        assert client.get(path, headers={HEADER: "mine"}).headers[HEADER] == "mine"
    assert client.post("/v1/segment", content=b"no picture").headers[HEADER]


def test_a_crash_has_id_and_headers_too(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash() -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(client.app.state.service.pool, "cards", crash)  # type: ignore[attr-defined]
    response = client.get("/v1/models", headers={HEADER: "mine"})
    assert response.status_code == 500
    assert response.json()["code"] == "internal-error"
    assert response.headers[HEADER] == "mine"
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("root_path", "path", "own"),
    [
        ("", "/livez", "/livez"),
        ("/seg", "/seg/livez", "/livez"),
        ("/seg", "/seg/", "/"),
        ("/seg", "/seg", ""),
        ("/seg", "/segment", "/segment"),
        ("/seg", "/livez", "/livez"),
        ("/a/b", "/a/b/a/b/x", "/a/b/x"),
    ],
)
def test_the_path_below_a_prefix(root_path: str, path: str, own: str) -> None:
    assert own_path({"path": path, "root_path": root_path}) == own


def test_a_scope_without_a_prefix() -> None:
    assert own_path({"path": "/livez"}) == "/livez"
