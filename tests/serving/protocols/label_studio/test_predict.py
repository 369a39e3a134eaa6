"""The backend over HTTP: regions of every kind, scores, and tasks that fail alone."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from maskery.core.errors import Busy
from maskery.core.labels import VOC
from maskery.core.settings import Settings
from maskery.serving.app import create_app
from maskery.serving.http.body_quota import hold
from tests.material import encoded, photo
from tests.serving.protocols.label_studio.requests import BRUSH, Json, config, data_url, drawn, ids_of, predict, results

CAT = VOC.index("cat")
BOTH = config(
    "<PolygonLabels name='p' toName='img' model_tolerance='0' model_min_area='0'><Label value='Cat'/></PolygonLabels>",
    "<BrushLabels name='b' toName='img'><Label value='pet' predicted_values='cat,dog'/></BrushLabels>",
    "<RectangleLabels name='r' toName='img' model_min_area='0'><Label value='cat' alias='kitty'/></RectangleLabels>",
)


@pytest.fixture(scope="module")
def cat() -> bytes:
    return encoded(photo("chelsea"), "JPEG")


def test_brush_masks_are_the_class_map(client: TestClient, cat: bytes) -> None:
    person = encoded(photo("astronaut"), "PNG")
    response = predict(client, BRUSH, {"image": data_url(cat)}, {"image": data_url(person)})
    for prediction, picture, label in zip(results(response), (cat, person), ("cat", "person"), strict=True):
        ids = ids_of(client, picture)
        assert prediction["model_version"] == "everyday:1.0.0"
        assert 0.5 < prediction["score"] <= 1
        items = {item["value"]["brushlabels"][0]: item for item in prediction["result"]}
        assert label in items
        for name, item in items.items():
            assert np.array_equal(drawn(item), ids == VOC.index(name))
            assert (item["from_name"], item["to_name"], item["type"]) == ("tag", "image", "brushlabels")
            assert item["value"]["format"] == "rle"
            assert (item["image_rotation"], item["readonly"]) == (0, False)
    assert "ignored" not in response.json()


def test_a_score_is_the_mean_confidence_of_its_pixels(client: TestClient, cat: bytes) -> None:
    found = client.post("/v1/segment?format=npz&maps=confidence", content=cat).content
    arrays = np.load(io.BytesIO(found))
    confidence, ids = arrays["confidence"], arrays["class_map"]
    (prediction,) = results(predict(client, BRUSH, {"image": data_url(cat)}))
    (item,) = (one for one in prediction["result"] if one["value"]["brushlabels"] == ["cat"])
    assert item["score"] == pytest.approx(float(confidence[ids == CAT].mean()), rel=1e-5)


def test_three_controls_at_once(client: TestClient, cat: bytes) -> None:
    (prediction,) = results(predict(client, BOTH, {"photo": data_url(cat)}))
    ids = ids_of(client, cat)
    kinds: dict[str, list[Json]] = {}
    for item in prediction["result"]:
        kinds.setdefault(item["from_name"], []).append(item)
    assert set(kinds) == {"p", "b", "r"}
    (brush,) = kinds["b"]
    assert brush["value"]["brushlabels"] == ["pet"]
    assert np.array_equal(drawn(brush), np.isin(ids, [CAT, VOC.index("dog")]))
    together = np.any([drawn(item) for item in kinds["p"]], axis=0)
    assert np.array_equal(together, ids == CAT)
    assert all(item["value"]["polygonlabels"] == ["Cat"] and item["value"]["closed"] for item in kinds["p"])
    boxes = np.any([drawn(item) for item in kinds["r"]], axis=0)
    assert (boxes | ~together).all()
    assert all(item["value"]["rectanglelabels"] == ["kitty"] for item in kinds["r"])
    assert len({item["id"] for item in prediction["result"]}) == len(prediction["result"])
    percent = [n for item in kinds["p"] for point in item["value"]["points"] for n in point]
    assert 0 <= min(percent) <= max(percent) <= 100


def test_a_task_that_fails_fails_alone(client: TestClient, cat: bytes) -> None:
    good = {"image": data_url(cat)}
    bad: dict[str, Json] = {
        "damaged": {"image": data_url(cat[:2000])},
        "no 'image'": {"photo": data_url(cat)},
        "'image' is no text": {"image": 5},
        "no text: Expected `str`, got `array`": {"image": [[[]]]},
        "Pictures at '' cannot": {"image": ""},
        "s3:": {"image": "s3://bucket/cat.jpg"},
        "pre-signed URLs": {"image": "gs://bucket/cat.jpg"},
        "base64 text is broken": {"image": "data:image/png;base64,*"},
        "whose address is not known": {"image": "/data/upload/1/cat.jpg"},
        "not a public host": {"image": "http://127.0.0.1/cat.jpg"},
        "cannot be fetched": {"image": "cat.jpg"},
    }
    found = results(predict(client, BRUSH, good, *bad.values(), good))
    assert len(found) == len(bad) + 2
    for says, prediction in zip(bad, found[1:-1], strict=True):
        assert prediction["result"] == []
        assert prediction["score"] == 0
        assert says in prediction["error"]
    assert found[0] == found[-1]
    assert found[0]["result"]
    assert "error" not in found[0]


def test_text_that_is_no_utf8_fails_alone(client: TestClient) -> None:
    body = json.dumps({"tasks": [{"data": {"image": "cat?"}}], "label_config": BRUSH}).encode().replace(b"?", b"\xff")
    (prediction,) = results(client.post("/label-studio/predict", content=body))
    assert "'image' is no text" in prediction["error"]


def test_a_picture_that_is_too_large_fails_alone(client: TestClient) -> None:
    (prediction,) = results(predict(client, BRUSH, {"image": data_url(bytes(4_000_100))}))
    assert "limit is 4,000,000" in prediction["error"]


def test_what_is_not_used_is_said(client: TestClient, cat: bytes) -> None:
    xml = config(
        "<BrushLabels name='b' toName='img' model_path='x'><Label value='cat'/><Label value='gnu'/></BrushLabels>"
    )
    answer = predict(client, xml, {"photo": data_url(cat)}).json()
    assert answer["ignored"] == ["attribute model_path of 'b'", "label 'gnu' of 'b': no class of everyday for it"]
    setup = client.post("/label-studio/setup", json={"project": "1.2", "schema": xml, "access_token": "secret"})
    found = setup.json()
    assert (found["model_version"], found["ignored"]) == ("everyday:1.0.0", answer["ignored"])
    none = config("<BrushLabels name='b' toName='img'><Label value='gnu'/></BrushLabels>")
    (prediction,) = results(predict(client, none, {"photo": data_url(cat)}))
    assert (prediction["result"], prediction["score"]) == ([], None)


def test_no_tasks(client: TestClient) -> None:
    assert results(predict(client, BRUSH)) == []
    assert client.get("/label-studio/predict").status_code == 405


def test_a_busy_server_makes_no_empty_predictions(client: TestClient) -> None:
    service = client.app.state.service  # type: ignore[attr-defined]
    before = service.fetcher

    async def busy(_: str) -> bytes:
        raise Busy("64 requests are waiting already.", "Try again in a moment.")

    service.fetcher = busy
    try:
        response = predict(client, BRUSH, {"image": "https://photos.example/cat.jpg"})
    finally:
        service.fetcher = before
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    assert "64 requests" in response.json()["detail"]


def test_many_tasks_hold_one_picture_each(tmp_path: Path, cat: bytes) -> None:
    """Far more than may wait, one after another."""
    padded = cat + bytes(2_000_000 - len(cat))
    settings = Settings(cache=str(tmp_path), max_waiting_bytes=24_000_000, concurrency=1)

    async def fetch(_: str) -> bytes:
        hold(len(padded))
        return padded

    with TestClient(create_app(settings)) as client:
        client.app.state.service.fetcher = fetch  # type: ignore[attr-defined]
        tasks = [{"image": "https://photos.example/cat.jpg"}] * 30
        found = results(predict(client, BRUSH, *tasks))
        assert all(prediction["result"] for prediction in found)
        assert client.app.state.body_quota.held == 0  # type: ignore[attr-defined]


def nested(image: str) -> str:
    labels = "<BrushLabels name='t' toName='img'><Label value='Cat'/></BrushLabels>"
    return f"<View><Image name='img' {image}/>{labels}</View>"


@pytest.mark.parametrize(
    ("image", "wrap"),
    [
        ("value='$img.url'", "{'url': URL}"),
        ("value='$imgs[0]'", "[URL, 'no picture']"),
        ("value='$imgs[1].at.place'", "['', {'at': {'place': URL}}]"),
        ("value='$rest,HERE'", "'data:image/jpeg;base64'"),
    ],
)
def test_pictures_that_lie_deeper_in_a_task(client: TestClient, cat: bytes, image: str, wrap: str) -> None:
    url = data_url(cat)
    name = "rest" if "rest" in image else "imgs" if "imgs" in image else "img"
    value = json.loads(wrap.replace("URL", json.dumps(url)).replace("'", '"'))
    xml = nested(image.replace("HERE", url.partition(",")[2]))
    (prediction,) = results(predict(client, xml, {name: value}))
    (plain,) = results(predict(client, nested("value='$img'"), {"img": url}))
    assert prediction["result"] == plain["result"] != []


def test_a_task_of_several_pictures_says_which_a_region_is_of(client: TestClient, cat: bytes) -> None:
    (found,) = results(predict(client, nested("valueList='$pages'"), {"pages": [data_url(cat), data_url(cat)]}))
    (plain,) = results(predict(client, nested("value='$img'"), {"img": data_url(cat)}))
    count = len(plain["result"])
    assert [item.pop("item_index") for item in found["result"]] == [0] * count + [1] * count
    assert [item["value"] for item in found["result"]] == [item["value"] for item in plain["result"]] * 2


@pytest.mark.parametrize("value", [{"link": "x"}, [], ["x"], 5, None])
def test_a_way_that_leads_nowhere_fails_alone(client: TestClient, value: Json) -> None:
    for image in ("value='$img.url.more'", "value='$img[3]'"):
        (prediction,) = results(predict(client, nested(image), {"img": value}))
        assert "is no text" in prediction["error"]
