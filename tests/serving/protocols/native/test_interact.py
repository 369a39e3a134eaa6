"""POST /v1/interact on a server with a prompt model whose answers can be foreseen."""

import asyncio
import base64
import json
import random
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import numpy as np
import pytest
from starlette.testclient import TestClient

from maskery.core.settings import Settings
from maskery.encode.annotations.coco_counts import counts_of
from maskery.serving.app import create_app
from tests.inference.prompts.toy_prompt import scene, write_toy
from tests.material import decoded, encoded, photo
from tests.serving.test_damaged import damaged

SIZE_WH, THING = (120, 90), (40, 20, 80, 60)
PICTURE = encoded(scene(SIZE_WH, THING), "PNG")
POINT = {"points": [[60, 40]]}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = write_toy(tmp_path_factory.mktemp("toy"), "prompt")
    settings = Settings(cache=str(tmp_path_factory.mktemp("cache")), model=(str(folder),), max_pixels=13_000_000)
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


def ask(client: TestClient, picture: bytes = PICTURE, **query: Any) -> httpx2.Response:
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in query.items()}
    return client.post("/v1/interact", params=texts, content=picture)


def mask_of(candidate: dict[str, Any]) -> np.ndarray:
    size, counts = candidate["mask"]["size"], candidate["mask"]["counts"]
    runs = counts_of(counts, size, 1 << 24)
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(size[1], size[0]).T


def state(client: TestClient) -> dict[str, int]:
    found: dict[str, int] = client.get("/v1/status").json()["embeddings"]
    return found


def test_a_click_is_answered_with_run_lengths(client: TestClient) -> None:
    response = ask(client, **POINT, candidates="3")
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["frame"]["original"] == {"width": 120, "height": 90}
    assert body["task"] == "prompt"
    assert body["model"]["name"] == "prompt"
    assert [one["score"] for one in body["objects"]] == [0.9, 0.5]
    best = mask_of(body["objects"][0])
    assert best.sum() == body["objects"][0]["area"] == pytest.approx(1600, rel=0.1)
    rows, columns = np.flatnonzero(best.any(1)), np.flatnonzero(best.any(0))
    assert body["objects"][0]["box"] == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    assert "run;dur=" in response.headers["server-timing"]


def test_png_and_the_formats_of_segment(client: TestClient) -> None:
    png = ask(client, **POINT, format="png")
    assert png.headers["content-type"] == "image/png"
    best = mask_of(ask(client, **POINT).json()["objects"][0])
    np.testing.assert_array_equal(decoded(png.content), best * np.uint8(255))
    assert decoded(ask(client, **POINT, format="mask").content).max() == 1
    assert decoded(ask(client, **POINT, format="overlay").content).shape == (90, 120, 3)
    assert ask(client, **POINT, format="coco").json()["annotations"][0]["area"] == best.sum()
    outline = ask(client, **POINT, format="coco", shape="mask", min_area="5000").json()
    assert outline["annotations"] == []
    nothing = ask(client, box="0,0,9,9", format="png")
    assert not decoded(nothing.content).any()
    refused = ask(client, **POINT, format="entropy")
    assert (refused.status_code, "does not fit" in refused.json()["detail"]) == (400, True)


def test_the_next_click_only_runs_the_decoder(client: TestClient) -> None:
    picture = encoded(scene((150, 100), (30, 30, 90, 90)), "PNG")
    before = state(client)
    first = ask(client, picture, **POINT)
    later = [ask(client, picture, points=[[60, 40], [40 + i, 50]]) for i in range(3)]
    after = state(client)
    assert (after["misses"] - before["misses"], after["hits"] - before["hits"]) == (1, 3)
    assert after["pictures"] == before["pictures"] + 1
    assert 0 < after["bytes"] <= after["limit_bytes"]
    assert {first.status_code, *(one.status_code for one in later)} == {200}
    metrics = client.get("/metrics").text
    assert f'maskery_embedding_requests_total{{found="hit"}} {after["hits"]}.0' in metrics
    assert f"maskery_embedding_pictures {after['pictures']}.0" in metrics


def test_the_previous_mask_is_a_hint_and_must_be_one_of_this_picture(client: TestClient) -> None:
    body = ask(client, **POINT).json()
    previous = body["objects"][0]["mask"]
    again = ask(client, **POINT, previous=previous, candidates="3")
    assert again.status_code == 200
    assert len(again.json()["objects"]) == 3, "the third one is the previous mask, as the network was shown it"
    other = {"size": [4, 5], "counts": "5220003"}
    refused = ask(client, **POINT, previous=other)
    assert (refused.status_code, "not one of 120 x 90" in refused.json()["detail"]) == (400, True)


def test_without_points_the_picture_is_only_looked_at(client: TestClient) -> None:
    picture = encoded(scene((140, 100), (30, 30, 90, 90)), "PNG")
    before = state(client)
    warm = ask(client, picture)
    assert (warm.status_code, warm.json()) == (202, {"state": "ready"})
    assert ask(client, picture, **POINT).status_code == 200
    after = state(client)
    assert (after["misses"] - before["misses"], after["hits"] - before["hits"]) == (1, 1)
    damaged = ask(client, PICTURE[:60])
    assert damaged.status_code in (400, 415)
    assert damaged.json()["cure"]


def test_a_picture_that_takes_long_is_looked_at_behind_the_answer(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = client.app.state.service  # type: ignore[attr-defined]
    plain = service.segment

    async def slow(*arguments: Any) -> Any:
        await asyncio.sleep(0.5)
        return await plain(*arguments)

    monkeypatch.setattr(service, "segment", slow)
    picture = encoded(scene((160, 100), (30, 30, 90, 90)), "PNG")
    before = state(client)["misses"]
    assert ask(client, picture).json() == {"state": "warming"}
    ends = time.monotonic() + 5
    while state(client)["misses"] == before and time.monotonic() < ends:
        time.sleep(0.05)
    assert state(client)["misses"] == before + 1


def test_pictures_by_address_and_in_json(client: TestClient) -> None:
    service = client.app.state.service  # type: ignore[attr-defined]

    async def fetched(url: str) -> bytes:
        return PICTURE

    before, service.fetcher = service.fetcher, fetched
    try:
        by_url = client.post("/v1/interact", json={"url": "https://example.org/a.png", **POINT})
        assert by_url.json()["objects"] == ask(client, **POINT).json()["objects"]
    finally:
        service.fetcher = before
    by_form = client.post("/v1/interact", files={"image": PICTURE}, data={"points": "60,40"})
    assert by_form.json()["objects"] == by_url.json()["objects"]


def test_models_that_take_no_clicks_are_refused(client: TestClient) -> None:
    for model, status in (("everyday", 400), ("promtp", 404)):
        refused = ask(client, **POINT, model=model)
        assert refused.status_code == status, refused.text
        assert refused.json()["cure"]
    segmented = client.post("/v1/segment?model=prompt", content=PICTURE)
    assert segmented.status_code == 400
    assert "points or a box" in segmented.json()["cure"]


VALUES: list[Any] = [
    0, 1, -1, 0.5, 45, 60, 119.99, 120, 121, 1e9, -1e300, 1e308, True, None, "60", "NaN", [], [60, 40], {}, [[60, 40]],
]  # fmt: skip


def _hostile(chance: random.Random) -> dict[str, Any]:
    def some(count: int) -> list[Any]:
        return [chance.choice(VALUES) for _ in range(count)]

    body: dict[str, Any] = {
        "points": chance.choice(
            [[[60, 40]], [some(2)], [some(3) for _ in range(chance.randrange(5))], some(3),
             [[60, 40]] * chance.choice([64, 65, 10_000])]
        ),
        "box": chance.choice([None, None, some(4), [80, 60, 40, 20], some(chance.randrange(6)), [0, 0, 0, 0]]),
        "labels": chance.choice([None, None, None, [1], some(2)]),
        "previous": chance.choice(
            [None, None, {"size": [90, 120], "counts": [10_800]}, {"size": [90, 120], "counts": "nothing"},
             {"size": some(2), "counts": some(3)}, {"size": [1 << 40, 1 << 40], "counts": [1 << 80]}, "gone", 7]
        ),
        "candidates": chance.choice([1, 1, 2, 3, *some(1)]),
        "model": chance.choice([None, None, "prompt", "everyday", "", "../../etc", "x" * 300]),
        "format": chance.choice([None, "json", "png", "coco", "mask", "entropy", "exe", ""]),
    }  # fmt: skip
    return {name: value for name, value in body.items() if value is not None and chance.random() < 0.8}


@pytest.mark.parametrize("seed", range(8))
def test_hostile_prompts_get_an_answer_or_a_cure(client: TestClient, seed: int) -> None:
    chance, statuses = random.Random(seed), []
    for _ in range(50):
        body = _hostile(chance)
        text = json.dumps({"image": {"base64": base64.b64encode(PICTURE).decode()}} | body)
        if chance.random() < 0.1:
            text = text.replace("60", chance.choice(["NaN", "Infinity", "1e999", '"', "60]]", "\u0000"]), 1)
        response = client.post("/v1/interact", content=text)
        statuses.append(response.status_code)
        assert response.status_code in (200, 202, 400, 404), (response.text[:300], body)
        if response.status_code >= 400:
            assert response.json()["cure"], body
        elif response.headers["content-type"] == "application/json" and "objects" in response.json():
            for one in response.json()["objects"]:
                assert mask_of(one).sum() == one["area"] > 0
    assert len(set(statuses)) > 1


def test_damaged_pictures_never_hurt(client: TestClient) -> None:
    rng, statuses = np.random.default_rng(11), dict[int, int]()
    good = [encoded(photo("astronaut"), format, (96, 80)) for format in ("JPEG", "PNG", "WEBP")]
    for i in range(500):
        points = {} if i % 5 == 0 else {"points": "40,40"}
        response = ask(client, damaged(good[i % len(good)], rng), **points)
        statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
        assert response.status_code in (200, 202, 400, 413, 415), (i, response.text)
        assert response.status_code < 400 or response.json()["cure"]
    assert statuses[200] > 50
    assert statuses[400] > 100
    assert ask(client, good[0], points="40,40").status_code == 200


def test_pictures_that_wait_stay_within_the_limit(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = write_toy(tmp_path_factory.mktemp("toy"), "prompt")
    settings = Settings(cache=str(tmp_path_factory.mktemp("cache")), model=(str(folder),), embeddings="1MB")
    with TestClient(create_app(settings)) as client:
        for i in range(4):
            picture = encoded(photo("chelsea"), "PNG", (440 + i, 300))
            assert ask(client, picture, points="60,40").status_code == 200
        now = state(client)
        assert now["limit_bytes"] == 1_000_000
        assert now["bytes"] <= 1_000_000
        assert now["evicted"] >= 1
        client.post("/v1/models/prompt/unload")
        assert state(client)["pictures"] == 0
