"""/v1/status, /readyz, /metrics and the log of one service agree about what it does."""

import logging
import threading
import time
from typing import Any

import anyio
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from maskery.core.settings import Settings
from maskery.inference.pipeline import Model
from maskery.serving.runtime.service import InferenceService
from maskery.serving.telemetry.access_log import Answered
from maskery.serving.telemetry.status import KEPT_RUNS, LIMITS, RunClock, RunTimes, limits, memory_now
from tests.material import encoded, photo

MODEL = "everyday@1.0.0"
PICTURE = encoded(photo("chelsea"), "JPEG", (90, 60))


def service_of(client: TestClient) -> InferenceService:
    service: InferenceService = client.app.state.service  # type: ignore[attr-defined]
    return service


def numbers(client: TestClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
    }


def moved(client: TestClient, before: dict[Any, float], name: str, **labels: str) -> float:
    """How much a metric has moved since ``before``."""
    key = (name, frozenset(labels.items()))
    return numbers(client).get(key, 0.0) - before.get(key, 0.0)


def test_percentiles_by_nearest_rank() -> None:
    clock = RunClock()
    assert clock.times() == RunTimes()
    for milliseconds in range(100, 0, -1):
        clock.add(milliseconds)
    assert clock.times() == RunTimes(100, 100, 50, 95)


def test_only_the_last_runs_count_for_percentiles() -> None:
    clock = RunClock()
    for milliseconds in [1000.0] * 50 + [1.0] * KEPT_RUNS:
        clock.add(milliseconds)
    assert clock.times() == RunTimes(50 + KEPT_RUNS, KEPT_RUNS, 1.0, 1.0)


def test_one_run() -> None:
    clock = RunClock()
    clock.add(7.0)
    assert clock.times() == RunTimes(1, 1, 7.0, 7.0)


def test_memory_of_this_process() -> None:
    memory = memory_now(budget_bytes=5)
    assert 0 < memory.rss_bytes <= memory.peak_bytes
    assert memory.budget_bytes == 5


def test_every_limit_is_a_setting() -> None:
    settings = Settings(max_queue=7)
    assert set(limits(settings)) == set(LIMITS)
    assert limits(settings)["max_queue"] == 7


def test_status_of_an_idle_service(client: TestClient) -> None:
    status = client.get("/v1/status").json()
    (model,) = status["models"]
    assert status["ready"] is True
    assert status["uptime_seconds"] > 0
    assert status["limits"]["max_bytes"] == service_of(client).settings.max_bytes
    assert status["memory"]["rss_bytes"] > 10_000_000
    assert (model["name"], model["version"], model["default"], model["state"]) == ("everyday", "1.0.0", True, "ready")
    assert model["device"] == {"asked": "cpu", "used": "cpu"}
    assert model["runtime"].startswith("onnxruntime")
    assert model["queue"] == {"running": 0, "waiting": []}
    assert model["changes"][0]["what"] == "loaded"
    assert model["memory_bytes"] >= model["file_bytes"] > 1_000_000


def test_a_request_shows_everywhere(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "maskery.access")
    before, runs = numbers(client), client.get("/v1/status").json()["models"][0]["runs"]["count"]
    assert client.post("/v1/segment?format=overlay", content=PICTURE).status_code == 200
    (line,) = (record.msg for record in caplog.records if isinstance(record.msg, Answered))
    assert (line.protocol, line.model, line.status, line.problem) == ("native", MODEL, 200, "")
    assert (line.bytes_in, line.path, line.format) == (len(PICTURE), "/v1/segment", "overlay")
    answered = {"protocol": "native", "model": MODEL, "status": "200"}
    assert moved(client, before, "maskery_requests_total", **answered) == 1
    for stage in ("queue", "decode", "preprocess", "run", "postprocess", "encode"):
        assert moved(client, before, "maskery_stage_seconds_count", model=MODEL, stage=stage) == 1
    assert moved(client, before, "maskery_picture_pixels_sum") == 90 * 60
    assert moved(client, before, "maskery_picture_bytes_sum") == len(PICTURE)
    assert moved(client, before, "maskery_batch_size_sum", model=MODEL) == 1
    assert moved(client, before, "maskery_class_pictures_total", model=MODEL) == 1
    assert moved(client, before, "maskery_class_share_total", model=MODEL, **{"class": "cat"}) > 0.1
    after = client.get("/v1/status").json()["models"][0]
    assert after["runs"]["count"] == runs + 1
    assert 0 < after["runs"]["p50_ms"] <= after["runs"]["p95_ms"]
    assert after["idle_seconds"] < 60


@pytest.mark.parametrize(
    ("body", "query", "status", "code", "model"),
    [
        (b"no picture at all", "", 415, "unsupported-picture", MODEL),
        (PICTURE, "?format=nonsense", 400, "bad-request", ""),
        (PICTURE, "?model=invented-by-a-caller", 404, "unknown-model", ""),
    ],
)
def test_a_refused_request(
    client: TestClient, caplog: pytest.LogCaptureFixture, body: bytes, query: str, status: int, code: str, model: str
) -> None:
    caplog.set_level(logging.INFO, "maskery.access")
    before = numbers(client)
    assert client.post(f"/v1/segment{query}", content=body).status_code == status
    (line,) = (record.msg for record in caplog.records if isinstance(record.msg, Answered))
    assert (line.protocol, line.model, line.status, line.problem) == ("native", model, status, code)
    answered = {"protocol": "native", "model": model, "status": str(status)}
    assert moved(client, before, "maskery_requests_total", **answered) == 1
    assert moved(client, before, "maskery_class_pictures_total", model=MODEL) == 0
    assert "invented" not in client.get("/metrics").text


def test_fetching_a_picture_is_a_stage(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fetch(_: str) -> bytes:
        await anyio.sleep(0.05)
        return PICTURE

    monkeypatch.setattr(service_of(client), "fetcher", fetch)
    before = numbers(client)
    assert client.get("/v1/segment", params={"url": "http://pictures.example/cat.jpg"}).status_code == 200
    assert moved(client, before, "maskery_stage_seconds_sum", model=MODEL, stage="fetch") > 0.04
    client.post("/v1/segment", content=PICTURE)
    assert moved(client, before, "maskery_stage_seconds_count", model=MODEL, stage="fetch") == 1
    assert moved(client, before, "maskery_stage_seconds_count", model=MODEL, stage="run") == 2


def test_pictures_that_cannot_be_decoded_ran_in_no_batch(client: TestClient) -> None:
    before = numbers(client)
    assert client.post("/v1/segment", content=PICTURE[: len(PICTURE) // 2]).status_code == 400
    assert moved(client, before, "maskery_batch_size_count", model=MODEL) == 0


def test_chosen_classes_do_not_count_for_drift(client: TestClient) -> None:
    before = numbers(client)
    client.post("/v1/segment?format=mask&classes=cat", content=PICTURE)
    assert moved(client, before, "maskery_class_pictures_total", model=MODEL) == 0


def test_waiting_requests_have_place_age_and_deadline(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    slots = service_of(client).settings.concurrency
    hold, answers = threading.Event(), []
    infer = Model.infer

    def held(model: Model, group: Any) -> Any:
        hold.wait(30)
        return infer(model, group)

    monkeypatch.setattr(Model, "infer", held)

    def ask(name: str) -> None:
        headers = {"X-Request-ID": name, "X-Request-Timeout": "20"}
        answers.append(client.post("/v1/segment", content=PICTURE, headers=headers).status_code)

    names = [f"running-{i}" for i in range(slots)] + ["caller-0", "caller-1"]
    callers = [threading.Thread(target=ask, args=(name,)) for name in names]
    try:
        for number, caller in enumerate(callers, start=1):
            caller.start()
            queue = waited_for(client, max(0, number - slots), min(number, slots))
        held_bytes = client.get("/v1/status").json()["memory"]["held_bytes"]
        before = numbers(client)
    finally:
        hold.set()
        for caller in callers:
            caller.join()
    assert answers == [200] * len(names)
    assert held_bytes == len(names) * len(PICTURE)
    assert queue["running"] == slots
    assert [one["position"] for one in queue["waiting"]] == [1, 2]
    assert {one["request_id"] for one in queue["waiting"]} == {"caller-0", "caller-1"}
    assert all(0 <= one["age_seconds"] < 20 and 0 < one["seconds_left"] <= 20 for one in queue["waiting"])
    assert before["maskery_queue_length", frozenset({("model", MODEL)})] == 2
    assert before["maskery_running", frozenset({("model", MODEL)})] == slots
    assert client.get("/v1/status").json()["models"][0]["queue"] == {"running": 0, "waiting": []}


def waited_for(client: TestClient, waiting: int, running: int) -> dict[str, Any]:
    """The default model's queue once so many requests wait and run."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        queue: dict[str, Any] = client.get("/v1/status").json()["models"][0]["queue"]
        if (len(queue["waiting"]), queue["running"]) == (waiting, running):
            return queue
        time.sleep(0.02)
    raise AssertionError(f"{queue} did not come to {waiting} waiting")


def test_a_model_that_is_unloaded_shows_it(client: TestClient) -> None:
    service = service_of(client)
    assert client.portal is not None
    try:
        client.portal.call(service.pool.unload, "everyday")
        (model,) = client.get("/v1/status").json()["models"]
        assert (model["state"], model["reason"]) == ("unloaded", "asked for by hand")
        assert model["device"] == {"asked": "cpu", "used": ""}
        assert [change["what"] for change in model["changes"][-2:]] == ["loaded", "unloaded"]
        assert numbers(client)["maskery_model_state", frozenset({("model", MODEL), ("state", "unloaded")})] == 1
        assert client.get("/readyz").json()["devices"] == {}
    finally:
        client.portal.call(service.pool.load, "everyday")
    assert client.get("/v1/status").json()["models"][0]["state"] == "ready"


def test_the_page_and_its_parts_are_served(client: TestClient) -> None:
    for path in ("/status", "/static/status.js", "/static/status.css"):
        response = client.get(path)
        assert response.status_code == 200
        assert "default-src 'self'" in response.headers["content-security-policy"]
        assert response.headers["cache-control"] == "no-cache"


def test_openmetrics_where_it_is_asked_for(client: TestClient) -> None:
    response = client.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")
    assert client.get("/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")
