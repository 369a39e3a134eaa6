"""Keys and rates around the whole application."""

import logging
from pathlib import Path
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
from maskery.serving.middleware.access import MOST_BUCKETS, OPEN, Access, Buckets, address_of
from maskery.serving.protocols.registry import PROTOCOLS

KEY = "a-key-for-the-tests-0123456789"
BEARER = {"Authorization": f"Bearer {KEY}"}


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


def test_all_but_the_open_paths_ask_for_a_key(tmp_path: Path) -> None:
    inside = client(api_keys=(KEY,), protocols=tuple(PROTOCOLS), jobs=str(tmp_path))
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


# ---------------------------------------------------------------- buckets


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_full_bucket_and_then_its_rate(clock: Clock) -> None:
    buckets = Buckets("3/s", clock)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 1]
    clock.now += 0.34
    assert [buckets.take("a") for _ in range(2)] == [0, 1]
    clock.now += 100
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 1]


@pytest.mark.parametrize(("limit", "seconds"), [("1/s", 1), ("1/m", 60), ("2/m", 30), ("1/h", 3600), ("7/m", 9)])
def test_the_wait_is_long_enough_and_not_longer(clock: Clock, limit: str, seconds: int) -> None:
    buckets = Buckets(limit, clock)
    while not (wait := buckets.take("a")):
        pass
    assert wait == seconds
    clock.now += wait - 1
    assert buckets.take("a") == 1
    clock.now += 1
    assert buckets.take("a") == 0


def test_each_has_a_bucket(clock: Clock) -> None:
    buckets = Buckets("1/h", clock)
    assert [buckets.take(name) for name in ("a", "b", "a", "b")] == [0, 0, 3600, 3600]


def test_memory_is_bounded_and_the_last_seen_are_remembered(clock: Clock) -> None:
    buckets = Buckets("1/h", clock)
    for n in range(MOST_BUCKETS + 500):
        buckets.take("often")
        buckets.take(f"once {n}")
    assert len(buckets) == MOST_BUCKETS
    assert buckets.take("often") == 3600
    assert buckets.take("once 0") == 0


def test_a_clock_that_stands_still_or_starts_at_zero(clock: Clock) -> None:
    clock.now = 0.0
    buckets = Buckets("1/s", clock)
    assert [buckets.take("a"), buckets.take("a")] == [0, 1]


@pytest.mark.parametrize(
    "limit", ["", "10", "10/", "/s", "0/s", "-1/s", "1.5/s", "10/d", "10 / s", "1000000/s", "\uff11/s"]
)
def test_other_forms_are_errors(limit: str) -> None:
    with pytest.raises(ConfigError, match="rate_limit"):
        Buckets(limit)
