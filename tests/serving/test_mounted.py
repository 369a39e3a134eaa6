"""The application inside of others: with their middleware, and below their prefixes."""

import base64
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx2
import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maskery.core.settings import Settings
from maskery.serving.app import Application, create_app
from tests.material import decoded, encoded, photo
from tests.serving.protocols.entry_points import ENTRY_POINTS, EntryPoint

KEY = "0123456789abcdefghij"
PICTURE = encoded(photo("chelsea"), "JPEG", (96, 64))


class Stamp:
    """Middleware of somebody else."""

    def __init__(self, app: ASGIApp, text: str) -> None:
        self.app, self.text = app, text

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Stamp"] = self.text
            await send(message)

        await self.app(scope, receive, stamped)


async def hello(_: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


def starlette_around(app: Application) -> Starlette:
    """Another application with ours at /seg. A mounted application's lifespan is run by the outer one."""
    return Starlette(
        routes=[Route("/hello", hello), Mount("/seg", app)],
        lifespan=lambda _: app.router.lifespan_context(app),
    )


def fastapi_around(app: Application) -> Starlette:
    fastapi = pytest.importorskip("fastapi")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with app.router.lifespan_context(app):
            yield

    outer: Starlette = fastapi.FastAPI(lifespan=lifespan)
    outer.add_route("/hello", hello)
    outer.mount("/seg", app)
    return outer


@pytest.fixture(scope="module", params=[starlette_around, fastapi_around])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Asks for everything below /proxy/seg: the outer application stands behind a proxy's prefix."""
    settings = Settings(cache=str(tmp_path_factory.mktemp("cache")), max_bytes=4_000_000, api_keys=(KEY,))
    outer = request.param(create_app(settings))
    headers = {"X-API-Key": KEY}
    with TestClient(
        outer, "http://testserver/proxy", root_path="/proxy", headers=headers, raise_server_exceptions=False
    ) as client:
        yield client


@pytest.fixture
def mounted(client: TestClient) -> Iterator[TestClient]:
    """The same, whose paths begin at our own root."""
    before = client.base_url
    client.base_url = httpx2.URL("http://testserver/proxy/seg/")
    client.app.state = client.app.routes[-1].app.state  # type: ignore[attr-defined]
    yield client
    client.base_url = before


def test_middleware_can_be_added(tmp_path_factory: pytest.TempPathFactory) -> None:
    app = create_app(Settings(cache=str(tmp_path_factory.mktemp("cache")), api_keys=(KEY,)))
    app.add_middleware(Stamp, text="theirs")
    with TestClient(app) as client:
        answer = client.get("/livez")
        assert (answer.headers["x-stamp"], answer.json()) == ("theirs", {"live": True})
        assert answer.headers["x-request-id"]
        refused = client.get("/v1/models")
        assert refused.status_code == 401
        assert "x-stamp" not in refused.headers  # what has no key gets no further than ours


def test_the_other_application_answers_beside_it(client: TestClient) -> None:
    assert client.get("/hello").text == "hello"


@pytest.mark.parametrize("entry_point", ENTRY_POINTS, ids=lambda entry_point: entry_point.name)
def test_every_protocol_answers(mounted: TestClient, entry_point: EntryPoint) -> None:
    assert entry_point.answered(entry_point.send(mounted, PICTURE))
    entry_point.refusal(entry_point.send(mounted, b"no picture"))


def test_the_native_api_answers_as_ever(mounted: TestClient) -> None:
    mask = mounted.post("/v1/segment?format=mask", content=PICTURE)
    whole = mounted.post("/v1/segment", content=PICTURE).json()
    assert np.array_equal(decoded(mask.content), decoded(base64.b64decode(whole["mask"]["base64"])))
    problem = mounted.put("/v1/segment")
    assert (problem.status_code, problem.headers["content-type"]) == (405, "application/problem+json")
    assert problem.json()["detail"] == "PUT /proxy/seg/v1/segment: Method Not Allowed."
    assert mounted.get("/nowhere").json()["code"] == "not-found"


def test_pages_find_their_files(mounted: TestClient) -> None:
    for page in ("/", "/docs", "/status"):
        answer = mounted.get(page)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-cache"
        files = re.findall(r'(?:href|src)="(static/[^"]+)"', answer.text)
        assert files
        for file in files:
            found = mounted.get(str(answer.url.join(file)))
            assert found.status_code == 200, file
            assert found.headers["cache-control"] == "no-cache"


def test_the_document_says_where_the_server_is(mounted: TestClient) -> None:
    document = mounted.get("/openapi.json").json()
    assert document["servers"] == [{"url": "/proxy/seg"}]
    assert mounted.get(f"http://testserver{document['servers'][0]['url']}/v1/models").status_code == 200


@pytest.mark.parametrize(
    ("path", "target", "ends"),
    [("/docs/", "../docs", 200), ("/v1/models/?a=b", "../models?a=b", 200), ("/static", "static/", 404)],
)
def test_redirects_are_relative(mounted: TestClient, path: str, target: str, ends: int) -> None:
    redirect = mounted.get(path, follow_redirects=False)
    assert (redirect.status_code, redirect.headers["location"]) == (307, target)
    assert mounted.get(path, follow_redirects=True).status_code == ends


def test_requests_keep_their_ids_and_the_access_rules(mounted: TestClient) -> None:
    assert mounted.get("/livez", headers={"X-Request-ID": "mine"}).headers["x-request-id"] == "mine"
    nobody = {"X-API-Key": ""}
    for path in ("/", "/livez", "/openapi.json", "/static/app.js", "/label-studio/health"):
        assert mounted.get(path, headers=nobody).status_code == 200, path
    for path in ("/v1/models", "/v1/status", "/nowhere", "/hf/everyday"):
        assert mounted.get(path, headers=nobody).status_code == 401, path


def test_the_outer_lifespan_loads_the_models(mounted: TestClient) -> None:
    assert mounted.get("/readyz").json()["models"]["everyday"] == "ok"
