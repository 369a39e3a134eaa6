"""Keys, rate and CORS at the door of the whole application."""

import logging
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message

from maskery.core.errors import ConfigError
from maskery.core.settings import Settings
from maskery.serving.app import create_app
from maskery.serving.middleware.access import OPEN, Access, address_of
from maskery.serving.protocols.registry import APIS

KEY = "a-key-for-the-tests-0123456789"
BEARER = {"Authorization": f"Bearer {KEY}"}
PAGE = "https://app.example.org"


def client(**settings: Any) -> TestClient:
    """The application without loaded models: no test here needs one."""
    return TestClient(create_app(Settings(**settings)), raise_server_exceptions=False)


# ---------------------------------------------------------------- keys


def test_without_a_key_there_is_a_problem_with_a_cure() -> None:
    response = client(api_keys=(KEY,)).post("/v1/segment", content=b"x")
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer realm="maskery"'
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-request-id"]
    assert "default-src" in response.headers["content-security-policy"]
    body = response.json()
    assert (body["code"], body["status"]) == ("unauthorized", 401)
    assert body["detail"] == "This server asks for an API key."
    assert "Authorization: Bearer KEY" in body["cure"]
    assert body["error"] == f"{body['detail']} {body['cure']}"


def test_a_wrong_key_is_told_from_none_and_repeated_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    response = client(api_keys=(KEY,)).get("/v1/models", headers={"X-API-Key": "wrong-key-0123456789"})
    assert response.json()["detail"] == "The API key is not known here."
    client(api_keys=(KEY,)).get("/v1/models", headers=BEARER)
    for text in (response.text, str(response.headers), caplog.text):
        assert "wrong-key" not in text
        assert KEY not in text


def test_a_key_lets_in() -> None:
    assert client(api_keys=(KEY,)).get("/v1/models/nothing", headers=BEARER).status_code == 404


def test_all_but_the_open_paths_ask_for_a_key() -> None:
    inside = client(api_keys=(KEY,), protocols=tuple(APIS))
    app = inside.app
    assert isinstance(app, Starlette)
    for route in app.routes:
        assert isinstance(route, Route | Mount)
        path = route.path.replace("{name}", "everyday")
        expected = path in OPEN or path == "/static"
        for method in ("GET", "POST", "OPTIONS", "TRACE"):
            status = inside.request(method, f"{path}/app.js" if path == "/static" else path).status_code
            assert (status != 401) is expected, f"{method} {path}: {status}"
    assert inside.get("/nowhere").status_code == 401


async def raw(app: ASGIApp, path: str) -> list[Message]:
    """What is sent for a GET of exactly this path; HTTP clients tidy paths up."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [], "client": ("::1", 1)}
    await app(scope | {"http_version": "1.1", "scheme": "http", "server": ("::1", 80)}, receive, send)
    return sent


@pytest.mark.parametrize(
    "path",
    [
        "/livez/../v1/models",
        "/livez/",
        "//livez",
        "/./livez",
        "/LIVEZ",
        "/livez\x00",
        "/livez\n",
        "/static",
        "/STATIC/app.js",
        "//static/app.js",
        "/v1/models/../../static/app.js",
        "",
        "livez",
    ],
)
def test_open_paths_are_no_way_round(path: str) -> None:
    sent = anyio.run(raw, create_app(Settings(api_keys=(KEY,))), path)
    assert sent[0]["status"] == 401


@pytest.mark.parametrize(
    "path", ["/static/../access.py", "/static/../../access.py", "/static/..\\access.py", "/static//etc/passwd"]
)
def test_static_files_stay_in_their_folder(path: str) -> None:
    sent = anyio.run(raw, create_app(Settings(api_keys=(KEY,))), path)
    assert sent[0]["status"] == 404


def test_behind_a_prefix() -> None:
    inside = TestClient(create_app(Settings(api_keys=(KEY,))), root_path="/maskery")
    assert inside.get("/maskery/livez").status_code == 200
    assert inside.get("/maskery/v1/models").status_code == 401


def test_a_websocket_is_closed_and_a_lifespan_is_not() -> None:
    asked: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["type"])

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError

    async def main() -> None:
        access = Access(app, Settings(api_keys=(KEY,)))
        await access({"type": "websocket", "path": "/v1/stream", "headers": []}, receive, send)
        await access({"type": "lifespan"}, receive, send)

    anyio.run(main)
    assert asked == ["lifespan"]
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "unauthorized"}]


@pytest.mark.parametrize(
    "settings", [{"api_keys": ("short",)}, {"api_keys_file": "nowhere"}, {"rate_limit": "often"}, {"cors": ("app",)}]
)
def test_wrong_settings_end_the_start(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        client(**settings)


# ---------------------------------------------------------------- rate


def test_too_many_requests() -> None:
    inside = client(rate_limit="2/h")
    assert [inside.get("/v1/models/nothing").status_code for _ in range(3)] == [404, 404, 429]
    response = inside.get("/v1/models")
    assert response.headers["retry-after"] == "1800"
    body = response.json()
    assert (body["code"], body["status"]) == ("rate-limited", 429)
    assert body["cure"] == "Come back in 1800 s."
    assert all(inside.get(path).status_code != 429 for path in ("/livez", "/readyz", "/", "/static/app.js"))


def test_each_key_has_its_own_rate_and_guessing_has_the_address_s() -> None:
    inside = client(api_keys=(f"ann:{KEY}", "bob:another-key-0123456789"), rate_limit="1/h")
    statuses = [
        inside.get("/v1/models/nothing", headers=headers).status_code
        for headers in (BEARER, BEARER, {"X-API-Key": "another-key-0123456789"}, {}, {"X-API-Key": "guess"}, {})
    ]
    assert statuses == [404, 429, 404, 401, 429, 429]


def scope(client: tuple[str, int] | None, *forwarded: str) -> dict[str, Any]:
    return {"type": "http", "client": client, "headers": [(b"x-forwarded-for", value.encode()) for value in forwarded]}


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("testclient", "testclient"),
    ],
)
def test_addresses(address: str, name: str) -> None:
    assert address_of(scope((address, 1)), trust_proxy=False) == name


def test_a_client_without_address() -> None:
    assert address_of(scope(None), trust_proxy=False) == "unknown"


@pytest.mark.parametrize(
    ("forwarded", "name"),
    [
        (["192.0.2.7"], "192.0.2.7"),
        (["1.1.1.1, 2.2.2.2, 192.0.2.7"], "192.0.2.7"),
        (["1.1.1.1", "192.0.2.7"], "192.0.2.7"),
        (["192.0.2.7:4711"], "192.0.2.7"),
        (["[2001:db8::1]:4711"], "2001:db8::/64"),
        (["2001:db8::1"], "2001:db8::/64"),
        (["unknown"], "10.0.0.1"),
        ([""], "10.0.0.1"),
        ([], "10.0.0.1"),
    ],
)
def test_behind_a_proxy(forwarded: list[str], name: str) -> None:
    assert address_of(scope(("10.0.0.1", 1), *forwarded), trust_proxy=True) == name
    assert address_of(scope(("10.0.0.1", 1), *forwarded), trust_proxy=False) == "10.0.0.1"


# ---------------------------------------------------------------- CORS


def preflight(inside: TestClient, origin: str) -> Any:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    return inside.options("/v1/segment", headers=asked)


def test_other_pages_are_kept_out_by_default() -> None:
    inside = client()
    assert "access-control-allow-origin" not in preflight(inside, PAGE).headers
    assert "access-control-allow-origin" not in inside.get("/v1/models", headers={"Origin": PAGE}).headers


def test_pages_of_named_origins_may_call_also_with_a_key() -> None:
    inside = client(cors=(PAGE,), api_keys=(KEY,))
    asked = preflight(inside, PAGE)
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == PAGE
    assert "authorization" in asked.headers["access-control-allow-headers"]
    assert asked.headers["x-request-id"]
    refused = inside.get("/v1/models", headers={"Origin": PAGE})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == PAGE
    assert "X-Request-ID" in refused.headers["access-control-expose-headers"]
    assert refused.headers["vary"] == "Origin"
    for origin in ("https://evil.example.org", "http://app.example.org", f"{PAGE}.evil.example", "null"):
        assert preflight(inside, origin).status_code == 400
        assert "access-control-allow-origin" not in inside.get("/livez", headers={"Origin": origin}).headers


def test_a_star_never_comes_with_credentials() -> None:
    inside = client(cors=("*",))
    for response in (preflight(inside, PAGE), inside.get("/livez", headers={"Origin": PAGE, "Cookie": "a=b"})):
        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in response.headers


@pytest.mark.parametrize(
    "origin", ["app.example.org", f"{PAGE}/", f"{PAGE}/x", "https://*.example.org", "https://App.org"]
)
def test_what_is_no_origin_is_an_error(origin: str) -> None:
    with pytest.raises(ConfigError, match="cors"):
        client(cors=(origin,))


# ---------------------------------------------------------------- headers


def test_answers_are_not_kept_by_caches_of_many() -> None:
    inside = client()
    assert inside.get("/v1/models").headers["cache-control"] == "private, no-cache"
    assert inside.get("/").headers["cache-control"] == "no-cache"
