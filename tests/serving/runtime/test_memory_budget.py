"""A server with little memory: it works as that allows, says so, or refuses with the size that would fit."""

import base64
import re
from collections.abc import Iterator

import numpy as np
import pytest
from starlette.testclient import TestClient

from maskery.core.errors import ConfigError
from maskery.core.process_memory import resident_bytes
from maskery.core.settings import Settings
from maskery.serving.app import create_app
from maskery.serving.runtime.memory_budget import FOR_WAITING, LEAST_FOR_WORK, share
from tests.material import decoded, encoded, photo

MIB = 1 << 20
CAT = encoded(photo("chelsea"), "JPEG")
# 54 megapixels that are quick to make and small to hold.
LARGE = encoded(np.kron(photo("chelsea")[::3, ::3], np.ones((60, 60, 1), np.uint8)), "PNG")


def served(memory: str, **others: object) -> TestClient:
    settings = Settings(memory=memory, max_pixels=400_000_000, **others)  # type: ignore[arg-type]
    return TestClient(create_app(settings), raise_server_exceptions=False)


@pytest.fixture(scope="module")
def tight() -> Iterator[TestClient]:
    """140 MiB for requests, whatever this process holds: 54 megapixels do not fit as a whole."""
    with served("1TB") as client:
        client.app.state.service.service.scheduler.budget = 140 * MIB  # type: ignore[attr-defined]
        yield client


def test_what_fits_is_not_changed(tight: TestClient) -> None:
    answer = tight.post("/v1/segment", content=CAT)
    assert answer.status_code == 200
    plan = answer.json()["plan"]
    assert plan["changed"] == ""
    assert plan["estimated_mb"] <= plan["budget_mb"]
    assert plan["budget_mb"] == 140


def test_a_large_picture_is_read_in_bands_and_the_mask_is_the_same(tight: TestClient) -> None:
    answer = tight.post("/v1/segment", content=LARGE)
    plan = answer.json()["plan"]
    assert (plan["decode"], plan["working"]["width"]) == ("bands", 416)
    assert "To fit the memory: read in bands of rows" in plan["changed"]
    assert plan["estimated_mb"] <= plan["budget_mb"]
    with served("") as free:
        unlimited = free.post("/v1/segment", content=LARGE).json()
    assert unlimited["plan"]["decode"] == "whole"
    assert unlimited["plan"]["budget_mb"] is None
    assert unlimited["plan"]["estimated_mb"] > plan["budget_mb"]
    masks = [decoded(base64.b64decode(found["mask"]["base64"])) for found in (answer.json(), unlimited)]
    np.testing.assert_array_equal(*masks)


def test_the_plan_is_in_a_header_too(tight: TestClient) -> None:
    answer = tight.post("/v1/segment?format=mask", content=LARGE)
    assert answer.headers["maskery-plan"].startswith("decode=bands; working=416x")
    assert 'changed="To fit the memory' in answer.headers["maskery-plan"]


def test_what_does_not_fit_is_refused_with_the_size_that_would(tight: TestClient) -> None:
    answer = tight.post("/v1/segment?format=overlay-jpeg", content=LARGE)
    assert answer.status_code == 413
    problem = answer.json()
    assert problem["code"] == "too-large"
    assert "MiB" in problem["detail"]
    size = re.search(r"One of (\d+) x (\d+) pixels would fit", problem["cure"])
    assert size
    # A crop is not as compressible as the whole, so leave some room.
    fitting = np.asarray(decoded(LARGE))[: int(0.9 * int(size[2])), : int(0.9 * int(size[1]))]
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
    assert int(needed[1]) * MIB < (resident_bytes() + 2 * LEAST_FOR_WORK) / (1 - FOR_WAITING)


def test_how_memory_is_shared_out() -> None:
    budget = share(500 * MIB, pooled=180 * MIB, models=100 * MIB, max_waiting=256 * MIB)
    assert (budget.base, budget.waiting) == (80 * MIB, 100 * MIB)
    assert budget.work(models=100 * MIB) == 220 * MIB
    assert budget.work(models=400 * MIB) == 0
    assert budget.models == 160 * MIB
    assert share(500 * MIB, 180 * MIB, 100 * MIB, max_waiting=MIB).waiting == MIB
    # The least that is said to do, does; a MiB less does not.
    with pytest.raises(ConfigError) as caught:
        share(200 * MIB, 180 * MIB, 100 * MIB, 256 * MIB)
    least = int(caught.value.cure.split()[3])
    assert share(least * MIB, 180 * MIB, 100 * MIB, 256 * MIB).work(100 * MIB) >= LEAST_FOR_WORK
    with pytest.raises(ConfigError):
        share((least - 2) * MIB, 180 * MIB, 100 * MIB, 256 * MIB)


def test_a_body_larger_than_all_that_may_wait_is_refused_for_good() -> None:
    with served("", max_waiting_bytes=2_000_000, max_bytes=30_000_000) as client:
        answer = client.post("/v1/segment", content=bytes(3_000_000))
        assert answer.status_code == 413
        assert "MASKERY_MAX_WAITING_BYTES" in answer.json()["cure"]
        assert client.post("/v1/segment", content=CAT).status_code == 200
