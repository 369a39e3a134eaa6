"""What /metrics says: numbers, labels that no caller can make, formats, and that all of it is documented."""

import re
import sys
import threading
from dataclasses import replace

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from maskery.serving.telemetry.metrics import Metrics, WithGauges
from tests.material import ROOT
from tests.serving.states import STATUS

ENDINGS = {"counter": "_total", "info": "_info"}


@pytest.fixture
def metrics() -> Metrics:
    """With one known model, after one of everything."""
    metrics = Metrics()
    metrics.know("everyday", ["background", "cat"])
    metrics.answered("native", "everyday", 200, 0.04)
    metrics.stages("everyday", {"decode": 4.0, "run": 30.0})
    metrics.picture(1_000_000, 200_000)
    metrics.batch("everyday", 2)
    metrics.shares("everyday", {"background": 0.75, "cat": 0.25})
    metrics.loaded("everyday", 0.5, 100, 300)
    metrics.unloaded("everyday", "idle", 300, 150)
    return metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """One sample of the text format; None where there is none."""
    for family in parse_text(metrics.render(STATUS)[0].decode()):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return None


def test_requests_by_protocol_model_and_status(metrics: Metrics) -> None:
    metrics.answered("native", "everyday", 200, 0.04)
    metrics.answered("rembg", "everyday", 400, 0.01)
    counted = "maskery_requests_total"
    assert value(metrics, counted, protocol="native", model="everyday", status="200") == 2
    assert value(metrics, counted, protocol="rembg", model="everyday", status="400") == 1
    assert value(metrics, "maskery_request_seconds_sum", protocol="native", model="everyday") == pytest.approx(0.08)


def test_stages_are_seconds_in_buckets(metrics: Metrics) -> None:
    for le, expected in (("0.025", 0), ("0.05", 1), ("+Inf", 1)):
        assert value(metrics, "maskery_stage_seconds_bucket", model="everyday", stage="run", le=le) == expected
    assert value(metrics, "maskery_stage_seconds_sum", model="everyday", stage="decode") == pytest.approx(0.004)


def test_pictures_and_batches(metrics: Metrics) -> None:
    assert value(metrics, "maskery_picture_pixels_sum") == 1_000_000
    assert value(metrics, "maskery_picture_bytes_sum") == 200_000
    assert value(metrics, "maskery_batch_size_bucket", model="everyday", le="1.0") == 0
    assert value(metrics, "maskery_batch_size_bucket", model="everyday", le="2.0") == 1


def test_mean_share_by_class(metrics: Metrics) -> None:
    metrics.shares("everyday", {"background": 1.0})
    total = value(metrics, "maskery_class_pictures_total", model="everyday")
    shares = {
        name: value(metrics, "maskery_class_share_total", model="everyday", **{"class": name})
        for name in ("background", "cat")
    }
    assert total == 2
    assert shares == {"background": 1.75, "cat": 0.25}


def test_a_known_class_without_pixels_is_zero_from_the_start() -> None:
    metrics = Metrics()
    metrics.know("everyday", ["dog"])
    assert value(metrics, "maskery_class_share_total", model="everyday", **{"class": "dog"}) == 0


def test_loads_and_what_they_did_to_memory(metrics: Metrics) -> None:
    assert value(metrics, "maskery_model_loads_total", model="everyday") == 1
    assert value(metrics, "maskery_model_load_seconds", model="everyday") == 0.5
    assert value(metrics, "maskery_model_memory_change_bytes", model="everyday", event="load") == 200
    assert value(metrics, "maskery_model_memory_change_bytes", model="everyday", event="unload") == -150
    assert value(metrics, "maskery_model_unloads_total", model="everyday", reason="idle") == 1


def test_a_callers_text_never_becomes_a_label(metrics: Metrics) -> None:
    for i in range(50):
        metrics.answered("native", f"invented-{i}", 404, 0.001)
        metrics.stages(f"invented-{i}", {"run": 1.0})
        metrics.batch(f"invented-{i}", 1)
        metrics.shares(f"invented-{i}", {"cat": 1.0})
        metrics.shares("everyday", {f"class-{i}": 1.0})
    text = metrics.render(STATUS)[0].decode()
    assert "invented" not in text
    assert "class-" not in text
    assert value(metrics, "maskery_requests_total", protocol="native", model="", status="404") == 50


def test_state_of_the_service(metrics: Metrics) -> None:
    assert value(metrics, "maskery_queue_length", model="everyday@1.0.0") == 2
    assert value(metrics, "maskery_queue_oldest_seconds", model="everyday@1.0.0") == 0.75
    assert value(metrics, "maskery_running", model="everyday@1.0.0") == 2
    assert value(metrics, "maskery_model_state", model="everyday@1.0.0", state="ready") == 1
    assert value(metrics, "maskery_model_state", model="everyday@1.0.0", state="failed") == 0
    assert value(metrics, "maskery_model_state", model="broken@2", state="failed") == 1
    assert value(metrics, "maskery_device_info", model="everyday@1.0.0", asked="auto", used="cpu") == 1
    assert value(metrics, "maskery_device_info", model="broken@2", asked="cuda", used="") == 1
    assert value(metrics, "maskery_ready") == 0
    assert value(metrics, "maskery_uptime_seconds") == 12.5
    assert value(metrics, "maskery_memory_budget_bytes") == 250
    assert value(metrics, "maskery_held_bytes") == 50


def test_no_budget_has_no_number(metrics: Metrics) -> None:
    free = replace(STATUS, memory=replace(STATUS.memory, budget_bytes=None))
    assert "\nmaskery_memory_budget_bytes " not in metrics.render(free)[0].decode()


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        ("", False),
        ("*/*", False),
        ("application/openmetrics-text; version=1.0.0,text/plain;q=0.5", True),
        ("application/openmetrics-text; version=nonsense", True),
        ("text/plain; version=nonsense; escaping=\x00", False),
    ],
)
def test_formats(metrics: Metrics, accept: str, openmetrics: bool) -> None:
    body, content_type = metrics.render(STATUS, accept)
    expected = "application/openmetrics-text; version=1.0.0" if openmetrics else "text/plain; version=0.0.4"
    assert content_type.startswith(expected)
    parse = parse_openmetrics if openmetrics else parse_text
    assert any(family.name == "maskery_requests" for family in parse(body.decode()))


def test_two_apps_count_apart(metrics: Metrics) -> None:
    assert value(Metrics(), "maskery_picture_pixels_count") == 0
    assert value(metrics, "maskery_picture_pixels_count") == 1


def test_threads_lose_nothing(metrics: Metrics) -> None:
    def work() -> None:
        for _ in range(500):
            metrics.answered("native", "everyday", 200, 0.01)
            metrics.shares("everyday", {"cat": 0.5})

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert value(metrics, "maskery_requests_total", protocol="native", model="everyday", status="200") == 2001
    assert value(metrics, "maskery_class_share_total", model="everyday", **{"class": "cat"}) == 1000.25


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="process_ metrics are read from /proc")
def test_every_metric_is_documented_and_every_documented_one_exists(metrics: Metrics) -> None:
    page = (ROOT / "docs" / "observability.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (counter|gauge|histogram|info) \| ([\w, ]*?) ?\| (.+) \|$", page, re.MULTILINE)
    documented = {(name, type, frozenset(filter(None, labels.split(", "))), help) for name, type, labels, help in rows}
    served = set()
    for family in WithGauges(metrics.registry, STATUS).collect():
        labels = frozenset(key for sample in family.samples for key in sample.labels if key != "le")
        name = family.name + ENDINGS.get(family.type, "")
        served.add((name, family.type, labels, family.documentation))
    assert served == documented
