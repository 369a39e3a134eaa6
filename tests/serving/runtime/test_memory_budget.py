"""A server with little memory: it works as that allows, says so, or refuses with the size that would fit."""

import base64
import gc
import re
from collections.abc import Iterator

import numpy as np
import pytest
from starlette.testclient import TestClient

from maskery.core.errors import ConfigError
from maskery.core.process_memory import resident_bytes
from maskery.core.settings import Settings
from maskery.serving.app import create_app
from maskery.serving.runtime.memory_budget import (
    MIN_WAITING_BYTES,
    MIN_WORK_BYTES,
    MemoryLimit,
    memory_limit,
    settle_collector,
    share,
)
from tests.material import decoded, encoded, photo

MIB = 1 << 20
CAT = encoded(photo("chelsea"), "JPEG")


def served(memory: str, **others: object) -> TestClient:
    settings = Settings(memory=memory, max_pixels=400_000_000, **others)  # type: ignore[arg-type]
    return TestClient(create_app(settings), raise_server_exceptions=False)


@pytest.fixture(scope="module")
def large() -> bytes:
    """54 megapixels that are quick to make and small to hold."""
    return encoded(np.kron(photo("chelsea")[::3, ::3], np.ones((60, 60, 1), np.uint8)), "PNG")


@pytest.fixture(scope="module")
def tight() -> Iterator[TestClient]:
    """140 MiB for requests, whatever this process holds: 54 megapixels do not fit as a whole."""
    with served("1TB") as client:
        client.app.state.service.scheduler.budget = 140 * MIB  # type: ignore[attr-defined]
        yield client


def test_what_fits_is_not_changed(tight: TestClient) -> None:
    answer = tight.post("/v1/segment", content=CAT)
    assert answer.status_code == 200
    plan = answer.json()["plan"]
    assert plan["changed"] == ""
    assert plan["estimated_mb"] <= plan["budget_mb"]
    assert plan["budget_mb"] == 140


def test_a_large_picture_is_read_in_bands_and_the_mask_is_the_same(tight: TestClient, large: bytes) -> None:
    answer = tight.post("/v1/segment", content=large)
    plan = answer.json()["plan"]
    assert (plan["decode"], plan["working"]["width"]) == ("bands", 416)
    assert plan["changed"] == "To fit the memory: the map is kept compressed."
    assert plan["estimated_mb"] <= plan["budget_mb"]
    with served("") as free:
        unlimited = free.post("/v1/segment", content=large).json()
    assert (unlimited["plan"]["decode"], unlimited["plan"]["changed"]) == ("bands", "")
    assert unlimited["plan"]["budget_mb"] is None
    assert unlimited["plan"]["estimated_mb"] > plan["budget_mb"]
    masks = [decoded(base64.b64decode(found["mask"]["base64"])) for found in (answer.json(), unlimited)]
    np.testing.assert_array_equal(*masks)


def test_the_plan_is_in_a_header_too(tight: TestClient, large: bytes) -> None:
    answer = tight.post("/v1/segment?format=mask", content=large)
    assert answer.headers["maskery-plan"].startswith("decode=bands; working=416x")
    assert 'changed="To fit the memory' in answer.headers["maskery-plan"]


def test_what_does_not_fit_is_refused_with_the_size_that_would(tight: TestClient, large: bytes) -> None:
    answer = tight.post("/v1/segment?format=overlay-jpeg", content=large)
    assert answer.status_code == 413
    problem = answer.json()
    assert problem["code"] == "too-large"
    assert "MiB" in problem["detail"]
    size = re.search(r"One of (\d+) x (\d+) pixels would fit", problem["cure"])
    assert size
    # A crop is not as compressible as the whole, so leave some room.
    fitting = np.asarray(decoded(large))[: int(0.9 * int(size[2])), : int(0.9 * int(size[1]))]
    assert tight.post("/v1/segment?format=overlay-jpeg", content=encoded(fitting)).status_code == 200


def test_tiles_are_cut_where_asked_for(tight: TestClient) -> None:
    answer = tight.post("/v1/segment?tile=150", content=CAT).json()
    assert answer["plan"]["tiles"]["count"] >= 4
    assert answer["plan"]["tiles"]["side"] == pytest.approx(150, abs=15)
    assert set(answer["timings_ms"]) >= {"queue", "decode", "run", "postprocess"}
    by_json = {"image": {"base64": base64.b64encode(CAT).decode()}, "tile": 150}
    assert tight.post("/v1/segment", json=by_json).json()["mask"] == answer["mask"]
    for wrong in ("tile=-1", "tile=x", "tile=5", "tile=150&format=entropy"):
        refused = tight.post(f"/v1/segment?{wrong}", content=CAT)
        assert (refused.status_code, refused.json()["code"]) == (400, "bad-request")


def test_a_server_that_cannot_live_in_it_says_how_much_it_needs() -> None:
    with pytest.raises(ConfigError, match=r"Give at least \d+ MiB") as caught, served("80MB"):
        pass
    needed = re.search(r"at least (\d+) MiB", str(caught.value))
    assert needed
    assert int(needed[1]) * MIB < resident_bytes() + 2 * MIN_WORK_BYTES


def given(memory: int) -> MemoryLimit:
    return MemoryLimit(memory * MIB, "setting")


def test_how_memory_is_shared_out() -> None:
    budget = share(given(500), resident=180 * MIB, models=100 * MIB, max_waiting=256 * MIB)
    assert budget
    assert (budget.base, budget.waiting) == (80 * MIB, 100 * MIB)
    assert budget.work(models=100 * MIB) == 220 * MIB
    assert budget.work(models=400 * MIB) == 0
    assert budget.models == 160 * MIB
    small = share(given(500), 180 * MIB, 100 * MIB, max_waiting=MIB)
    assert small
    assert small.waiting == MIB
    assert share(MemoryLimit(None, "none"), 180 * MIB, 100 * MIB, 256 * MIB) is None


def test_the_least_that_is_said_to_do_does_and_a_mib_less_does_not() -> None:
    with pytest.raises(ConfigError) as caught:
        share(given(200), 180 * MIB, 100 * MIB, 256 * MIB)
    least = int(caught.value.cure.split()[3])
    budget = share(given(least), 180 * MIB, 100 * MIB, 256 * MIB)
    assert budget
    assert (budget.waiting, budget.work(100 * MIB)) == (MIN_WAITING_BYTES, MIN_WORK_BYTES)
    with pytest.raises(ConfigError):
        share(given(least - 1), 180 * MIB, 100 * MIB, 256 * MIB)


def test_where_the_limit_comes_from() -> None:
    assert memory_limit("") == MemoryLimit(None, "none")
    assert memory_limit("", container=5 * MIB) == MemoryLimit(5 * MIB, "container")
    assert memory_limit("1GiB", container=5 * MIB) == MemoryLimit(1024 * MIB, "setting")
    assert memory_limit("none", container=5 * MIB) == MemoryLimit(None, "none")
    with pytest.raises(ConfigError, match="memory is 'much'"):
        memory_limit("much")


def test_a_container_that_is_too_small_is_the_same_error_with_one_more_cure() -> None:
    with pytest.raises(ConfigError, match=r"The container's memory limit is 200 MiB.*--memory none"):
        share(MemoryLimit(200 * MIB, "container"), 180 * MIB, 100 * MIB, 256 * MIB)
    with pytest.raises(ConfigError) as caught:
        share(given(200), 180 * MIB, 100 * MIB, 256 * MIB)
    assert "none" not in caught.value.cure


def test_the_limit_of_the_container_is_said_in_the_status_and_the_log(caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(Settings())
    with caplog.at_level("INFO", "maskery"):
        app.state.service.load_all(MemoryLimit(1 << 40, "container"))
    assert "memory: 1048576 MiB (the container's limit; --memory none switches it off)" in caplog.text
    with TestClient(app) as client:
        status = client.get("/v1/status").json()
        assert status["memory"]["limit_bytes"] == 1 << 40
        assert status["memory"]["limit_source"] == "container"
        assert 0 < status["memory"]["budget_bytes"] < 1 << 40
        assert client.post("/v1/segment", content=CAT).json()["plan"]["budget_mb"] > 0
    with served("none") as client:
        memory = client.get("/v1/status").json()["memory"]
        assert (memory["limit_bytes"], memory["limit_source"], memory["budget_bytes"]) == (None, "none", None)


def test_a_body_larger_than_all_that_may_wait_is_refused_for_good() -> None:
    with served("", max_waiting_bytes=2_000_000, max_bytes=30_000_000) as client:
        answer = client.post("/v1/segment", content=bytes(3_000_000))
        assert answer.status_code == 413
        assert "MASKERY_MAX_WAITING_BYTES" in answer.json()["cure"]
        assert client.post("/v1/segment", content=CAT).status_code == 200


def test_what_is_there_at_the_start_is_not_collected_again() -> None:
    gc.disable()
    try:
        settle_collector()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 1000
    finally:
        gc.unfreeze()
        gc.enable()
