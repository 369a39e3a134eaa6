"""Traces: spans by request and stage, the caller's trace taken over, and no silence where it cannot work."""

import http.server
import itertools
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from maskery.core.errors import ConfigError, MissingExtra
from maskery.serving.http import request_log
from maskery.serving.http.request_log import RequestIds
from maskery.serving.telemetry.metrics import Metrics
from maskery.serving.telemetry.observe import Observe, open_tracing
from tests.material import encoded, photo
from tests.serving.live import Server

sdk = pytest.importorskip("opentelemetry.sdk.trace.export", reason="the extra otel is not installed")

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
TIMINGS = {"decode": 4.0, "queue": 0.5, "run": 30.0}


async def work(_: Request) -> Response:
    known = request_log.current()
    known.protocol, known.model = "native", "everyday@1.0.0"
    known.worked(TIMINGS)
    return PlainTextResponse("done")


async def crash(_: Request) -> Response:
    raise RuntimeError("a fault of ours")


@pytest.fixture
def exporter() -> Any:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    return InMemorySpanExporter()


@pytest.fixture
def client(exporter: Any) -> TestClient:
    from maskery.serving.telemetry.tracing import Tracing

    routes = [Route("/work/{name}", work), Route("/crash", crash), Route("/livez", work)]
    tracing = Tracing(sdk.SimpleSpanProcessor(exporter))
    app = Observe(Starlette(routes=routes), Metrics(), tracing)
    return TestClient(RequestIds(app), raise_server_exceptions=False)


def test_a_span_for_the_request_and_one_for_each_stage(client: TestClient, exporter: Any) -> None:
    name = client.get("/work/a?secret=1").headers["X-Request-ID"]
    *stages, request = exporter.get_finished_spans()
    assert request.name == "GET /work/{name}"
    assert request.attributes == {
        "http.request.method": "GET",
        "url.path": "/work/a",
        "http.route": "/work/{name}",
        "http.response.status_code": 200,
        "http.request.body.size": 0,
        "http.response.body.size": 4,
        "maskery.protocol": "native",
        "maskery.model": "everyday@1.0.0",
        "maskery.format": "",
        "maskery.problem": "",
        "maskery.request_id": name,
    }
    assert {span.parent.span_id for span in stages} == {request.context.span_id}
    assert [span.name for span in stages] == list(TIMINGS)
    lengths = [(span.end_time - span.start_time) / 1e6 for span in stages]
    assert lengths == pytest.approx(list(TIMINGS.values()), abs=0.001)
    for before, after in itertools.pairwise(stages):
        assert before.end_time == after.start_time
    assert stages[-1].end_time <= request.end_time
    assert request.resource.attributes["service.name"] == "maskery"


def test_the_callers_trace_goes_on(client: TestClient, exporter: Any) -> None:
    client.get("/work/a", headers={"traceparent": PARENT})
    for span in exporter.get_finished_spans():
        assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{exporter.get_finished_spans()[-1].parent.span_id:016x}" == "b7ad6b7169203331"


@pytest.mark.parametrize("header", ["", "nonsense", f"00-{'0' * 32}-{'0' * 16}-01", "00-" + "f" * 5000])
def test_a_broken_traceparent_begins_a_new_trace(client: TestClient, exporter: Any, header: str) -> None:
    assert client.get("/work/a", headers={"traceparent": header}).status_code == 200
    assert exporter.get_finished_spans()[-1].parent is None


def test_a_caller_who_does_not_sample_is_not_traced(client: TestClient, exporter: Any) -> None:
    client.get("/work/a", headers={"traceparent": PARENT[:-1] + "0"})
    assert exporter.get_finished_spans() == ()


def test_a_fault_is_marked(client: TestClient, exporter: Any) -> None:
    client.get("/crash")
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code.name == "ERROR"
    assert span.attributes["http.response.status_code"] == 500


def test_health_is_not_traced(client: TestClient, exporter: Any) -> None:
    client.get("/livez")
    assert exporter.get_finished_spans() == ()


def test_the_operator_may_name_the_service(monkeypatch: pytest.MonkeyPatch, exporter: Any) -> None:
    from maskery.serving.telemetry.tracing import Tracing

    monkeypatch.setenv("OTEL_SERVICE_NAME", "masks-north")
    tracing = Tracing(sdk.SimpleSpanProcessor(exporter))
    tracing.begin({"type": "http", "method": "GET", "path": "/", "headers": []}).end()
    assert exporter.get_finished_spans()[0].resource.attributes["service.name"] == "masks-north"


def test_off_unless_asked_for() -> None:
    assert open_tracing("") is None


def test_asked_for_but_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "maskery.serving.telemetry.tracing", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(MissingExtra, match=r"maskery\[otel\]"):
        open_tracing("http://127.0.0.1:4318")


@pytest.mark.parametrize("endpoint", ["collector:4318", "ftp://collector", "http://", "nonsense"])
def test_an_endpoint_that_is_no_address(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="is no address"):
        open_tracing(endpoint)


class Collector(http.server.BaseHTTPRequestHandler):
    """Keeps what is posted to it."""

    received: list[tuple[str, bytes]]

    def do_POST(self) -> None:
        self.received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    received: list[tuple[str, bytes]] = []
    handler = type("Handler", (Collector,), {"received": received})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()
        thread.join()


def test_a_server_sends_its_last_spans_before_it_ends(collector: tuple[str, list[tuple[str, bytes]]]) -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    address, received = collector
    server = Server(MASKERY_OTEL_ENDPOINT=address)
    assert server.post(encoded(photo("chelsea"), "JPEG", (64, 48)))[0] == 200
    server.stop()
    assert {path for path, _ in received} == {"/v1/traces"}
    spans = [
        span
        for _, body in received
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert "POST /v1/segment" in {span.name for span in spans}
