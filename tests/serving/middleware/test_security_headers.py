"""Which pages of other hosts may call, and what every answer says about itself."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from maskery.core.errors import ConfigError
from maskery.core.settings import Settings
from maskery.serving.app import create_app
from maskery.serving.middleware.security_headers import HEADERS

KEY = "a-key-for-the-tests-0123456789"
PAGE = "https://app.example.org"


def client(**settings: Any) -> TestClient:
    """The application without loaded models: no test here needs one."""
    return TestClient(create_app(Settings(**settings)), raise_server_exceptions=False)


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


def test_answers_are_not_kept_by_caches_of_many() -> None:
    inside = client()
    assert inside.get("/v1/models").headers["cache-control"] == "private, no-cache"
    assert inside.get("/").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/livez", "/v1/models/nothing", "/nowhere"])
def test_every_answer_has_the_headers(path: str) -> None:
    answer = client().get(path)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_pages_below_a_prefix_are_asked_again_each_time() -> None:
    inside = TestClient(create_app(Settings()), root_path="/seg")
    for path in ("/seg/", "/seg/docs", "/seg/static/app.js"):
        assert inside.get(path).headers["cache-control"] == "no-cache"
