"""Shares reckoned on a grid, stages in their order, loads and unloads."""

import numpy as np
import pytest

from maskery.core.result.capabilities import Result
from maskery.models.card_toml import load_card
from maskery.models.catalog import builtin
from maskery.serving.http.request_log import RequestLog
from maskery.serving.telemetry.events import STAGES, Events, shares_of
from maskery.serving.telemetry.metrics import Metrics
from maskery.serving.telemetry.status import Change
from tests.encode.results import classification, foreground, halves, semantic

MODEL = "everyday@1.0.0"
LOADED = Change(what="loaded", reason="asked for at start", rss_before=100, rss_after=300, seconds=0.5)


@pytest.fixture
def notes() -> Events:
    """With the built-in model loaded."""
    notes = Events(Metrics())
    notes.changed(MODEL, load_card(builtin()["everyday"] / "model.toml"), LOADED)
    return notes


def sample(notes: Events, name: str, **labels: str) -> float | None:
    return notes.metrics.registry.get_sample_value(f"maskery_{name}", {"model": MODEL, **labels})


@pytest.mark.parametrize("shape", [(2, 2), (12, 16), (64, 64), (301, 451), (3000, 40)])
def test_shares_of_a_class_map(shape: tuple[int, int]) -> None:
    shares = shares_of(semantic(halves(*shape)))
    assert sum(shares.values()) == pytest.approx(1)
    for name, share in (("background", 0.5), ("cat", 0.25), ("dog", 0.25)):
        assert shares[name] == pytest.approx(share, abs=0.03)


def test_a_class_that_is_not_there_is_left_out() -> None:
    assert shares_of(semantic(np.zeros((40, 40), np.uint8))) == {"background": 1.0}


def test_shares_of_a_soft_mask_are_those_of_its_decision() -> None:
    alpha = np.zeros((100, 100), np.uint8)
    alpha[:25], alpha[25:50] = 200, 100
    assert shares_of(foreground(alpha)) == pytest.approx({"background": 0.75, "person": 0.25}, abs=0.04)


@pytest.mark.parametrize("result", [classification(), semantic(halves()).keep(["cat"])])
def test_no_shares_of_a_classifier_or_of_chosen_classes(result: Result) -> None:
    assert shares_of(result) == {}


def test_a_picture(notes: Events) -> None:
    record = RequestLog(fetch_ms=7.0)
    timings = {
        "decode": 4.0,
        "find": 6.0,
        "preprocess": 1.0,
        "queue": 0.5,
        "run": 30.0,
        "postprocess": 2.0,
        "encode": 3.0,
    }
    notes.worked(record, MODEL, timings, shares_of(semantic(halves())))
    notes.worked(record, MODEL, timings, shares_of(semantic(halves())))
    assert list(record.pictures[0].timings_ms) == list(STAGES)
    assert record.pictures[0].timings_ms == {"fetch": 7.0, **timings}
    assert "fetch" not in record.pictures[1].timings_ms
    assert sample(notes, "stage_seconds_count", stage="run") == 2
    assert sample(notes, "stage_seconds_sum", stage="fetch") == pytest.approx(0.007)
    assert sample(notes, "class_pictures_total") == 2
    assert notes.run_times(MODEL).count == 2
    assert notes.run_times(MODEL).p50_ms == 30.0


def test_loads_and_unloads(notes: Events) -> None:
    card = load_card(builtin()["everyday"] / "model.toml")
    for reason in ("idle for 300 seconds", "room for another", "asked for by hand"):
        notes.changed(MODEL, card, Change(what="unloaded", reason=reason, rss_before=300, rss_after=150, seconds=0.1))
    assert sample(notes, "model_loads_total") == 1
    assert sample(notes, "model_memory_change_bytes", event="load") == 200
    for word in ("idle", "room", "asked"):
        assert sample(notes, "model_unloads_total", reason=word) == 1
    assert sample(notes, "class_share_total", **{"class": "person"}) == 0


def test_batches(notes: Events) -> None:
    notes.ran(MODEL, 4)
    assert sample(notes, "batch_size_sum") == 4
