"""Every request is counted and logged once, with what it became."""

import logging
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message

from maskery.serving.http import request_log
from maskery.serving.telemetry.access_log import Answered
from maskery.serving.telemetry.metrics import Metrics
from maskery.serving.telemetry.observe import Observe


async def work(request: Request) -> Response:
    await request.body()
    known = request_log.current()
    known.protocol, known.model = "native", "everyday"
    known.worked({"run": 3.0})
    known.problem = "none"
    return PlainTextResponse("done")


async def crash(_: Request) -> Response:
    raise RuntimeError("a fault of ours")


ROUTES = [Route("/work/{name}", work, methods=["POST"]), Route("/crash", crash)]


@pytest.fixture
def metrics() -> Metrics:
    metrics = Metrics()
    metrics.know("everyday", [])
    return metrics


@pytest.fixture
def client(metrics: Metrics) -> TestClient:
    app = Observe(Starlette(routes=ROUTES), metrics)
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def answered(caplog: pytest.LogCaptureFixture) -> Callable[[], Answered]:
    """Gives the one request that was logged."""
    caplog.set_level(logging.INFO, "maskery.access")

    def only() -> Answered:
        (line,) = (entry.msg for entry in caplog.records if isinstance(entry.msg, Answered))
        return line

    return only


def count(metrics: Metrics, *labels: str) -> float:
    names = ("protocol", "model", "status")
    return metrics.registry.get_sample_value("maskery_requests_total", dict(zip(names, labels, strict=True))) or 0.0


def test_an_answer(client: TestClient, metrics: Metrics, answered: Callable[[], Answered]) -> None:
    client.post("/work/a?secret=1", content=b"x" * 1000)
    line = answered()
    assert (line.path, line.status, line.bytes_in, line.bytes_out) == ("/work/a", 200, 1000, 4)
    assert (line.protocol, line.model, line.problem) == ("native", "everyday", "none")
    assert line.ms > 0
    assert count(metrics, "native", "everyday", "200") == 1


def test_a_path_that_is_not_there(client: TestClient, metrics: Metrics, answered: Callable[[], Answered]) -> None:
    client.get("/nowhere")
    assert (answered().status, answered().protocol) == (404, "other")
    assert count(metrics, "other", "", "404") == 1


@pytest.mark.parametrize(("root_path", "path"), [("", "/livez"), ("/seg", "/seg/livez")])
def test_health_is_logged_for_those_who_debug(
    metrics: Metrics, caplog: pytest.LogCaptureFixture, root_path: str, path: str
) -> None:
    caplog.set_level(logging.DEBUG, "maskery.access")
    TestClient(Observe(Starlette(), metrics), root_path=root_path).get(path)
    (entry,) = (entry for entry in caplog.records if isinstance(entry.msg, Answered))
    assert entry.levelno == logging.DEBUG


def test_a_crash_is_a_500(client: TestClient, metrics: Metrics, answered: Callable[[], Answered]) -> None:
    client.get("/crash")
    assert answered().status == 500
    assert count(metrics, "other", "", "500") == 1


def test_a_caller_who_leaves_before_the_answer(metrics: Metrics, answered: Callable[[], Answered]) -> None:
    async def waits(*_: Any) -> None:
        await anyio.sleep_forever()

    async def nothing() -> Message:
        return {"type": "http.disconnect"}

    async def ignore(_: Message) -> None:
        pass

    async def leave() -> None:
        scope = {"type": "http", "method": "POST", "path": "/work/a", "client": ("10.0.0.7", 1)}
        with anyio.move_on_after(0.01):
            await Observe(waits, metrics)(scope, nothing, ignore)

    anyio.run(leave)
    assert answered().status == 499
    assert count(metrics, "other", "", "499") == 1


def test_what_is_no_request_passes(metrics: Metrics) -> None:
    seen = []

    async def app(scope: Any, *_: Any) -> None:
        seen.append(scope["type"])

    async def never(*_: Any) -> Any:
        raise AssertionError

    anyio.run(Observe(app, metrics), {"type": "lifespan"}, never, never)
    assert seen == ["lifespan"]
