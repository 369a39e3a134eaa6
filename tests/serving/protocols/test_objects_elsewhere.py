"""Single objects in the words of Hugging Face, Open Inference and Label Studio; refused by rembg and MAX."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import InferenceClient
from pycocotools import mask as reference
from starlette.testclient import TestClient

from maskery.core.result.instances import Instance, InstanceResult, crop_mask
from maskery.core.settings import Settings
from maskery.encode.raster.mask import object_masks
from maskery.models.store import Store
from maskery.serving.app import create_app
from maskery.serving.protocols.label_studio.config import plan_of, read_config
from maskery.serving.protocols.label_studio.regions import draw
from maskery.serving.protocols.open_inference.outputs import OF_OBJECTS, outputs_of
from tests.encode.results import PALETTE, instances, meta, pixels
from tests.material import encoded, photo, shared
from tests.serving.live import Server
from tests.serving.object_model import BOXES, ROAD, object_cache
from tests.serving.protocols.label_studio.requests import config, data_url, predict

# pycocotools 2.0.11 with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return object_cache(tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture(scope="module")
def objects(cache: Path) -> Iterator[TestClient]:
    settings = Settings(cache=str(cache), model=(BOXES,))
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


def listed(client: TestClient, picture: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.post("/v1/segment", content=picture).json()["objects"]
    assert found
    return found


def test_hugging_faces_client(cache: Path, objects: TestClient) -> None:
    picture = shared(ROAD).read_bytes()
    expected = listed(objects, picture)
    server = Server(MASKERY_CACHE=str(cache), MASKERY_MODEL=BOXES)
    try:
        hub = InferenceClient(model=f"http://127.0.0.1:{server.port}/hf/{BOXES}", token="hf_something")
        own = hub.image_segmentation(picture, subtask="instance")
        assert [item.label for item in own] == [one["class"] for one in expected]
        assert [item.score for item in own] == pytest.approx([one["score"] for one in expected], abs=1e-3)
        for item, one in zip(own, expected, strict=True):
            rows, columns = np.nonzero(np.asarray(item.mask))
            assert [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] == pytest.approx(one["box"], abs=1)
        apart = hub.image_segmentation(picture, subtask="panoptic", overlap_mask_area_threshold=0.1)
        assert sum(np.asarray(item.mask, bool).astype(int) for item in apart).max() == 1  # type: ignore[union-attr]
        sure = hub.image_segmentation(picture, threshold=0.99)
        assert len(sure) < len(own)
        classes = hub.image_segmentation(picture, subtask="semantic")
        assert len({item.label for item in classes}) == len(classes)
        assert {item.label for item in own} <= {item.label for item in classes}
    finally:
        server.stop()


def test_panoptic_masks_share_no_pixel_and_slivers_go() -> None:
    result = instances()
    assert [mask.score for mask in object_masks(result, 0.0, None)] == [0.9, 0.75, 0.5]
    apart = [pixels(mask.png) > 0 for mask in object_masks(result, 0.6, 0.5)]
    assert [int(mask.sum()) for mask in apart] == [48, 27]
    assert not (apart[0] & apart[1]).any()
    assert [mask.label for mask in object_masks(result, 0.0, 0.8)] == ["dog", "dog"]


def infer(client: TestClient, *pictures: bytes, outputs: list[str]) -> dict[str, Any]:
    import base64

    data = [base64.b64encode(picture).decode() for picture in pictures]
    tensor = {"name": "image", "shape": [len(data)], "datatype": "BYTES", "data": data}
    body = {"inputs": [tensor], "outputs": [{"name": name} for name in outputs]}
    response = client.post(f"/v2/models/{BOXES}/infer", json=body)
    assert response.status_code == 200, response.text
    return {output["name"]: output for output in response.json()["outputs"]}


def test_open_inference_outputs_of_pictures_with_different_numbers_of_objects(objects: TestClient) -> None:
    road, blank = shared(ROAD).read_bytes(), encoded(np.full((40, 60, 3), 120, np.uint8), "PNG")
    expected = listed(objects, road)
    names = ["num_objects", "boxes", "object_scores", "class_ids", "masks"]
    found = infer(objects, road, blank, outputs=names)
    count = len(expected)
    assert found["num_objects"]["data"] == [count, 0]
    assert found["boxes"]["shape"] == [2, count, 4]
    boxes = np.reshape(found["boxes"]["data"], (2, count, 4))
    np.testing.assert_allclose(boxes[0], [one["box"] for one in expected], atol=0.06)
    assert not boxes[1].any()
    assert found["class_ids"]["data"][:count] == [one["class_id"] for one in expected]
    assert [json.loads(text) for text in found["masks"]["data"]] == [[None] * count, []]
    alone = infer(objects, blank, outputs=names)
    assert alone["boxes"]["shape"] == [1, 0, 4]
    assert alone["boxes"]["data"] == alone["object_scores"]["data"] == []


def test_open_inference_masks_are_run_lengths() -> None:
    result = instances()
    read = {output.name: output.read for output in OF_OBJECTS}
    masks = read["masks"](result)
    assert isinstance(masks, bytes)
    first, second, third = json.loads(masks)
    for rle, one in ((first, result.instances[0]), (second, result.instances[1])):
        assert one.mask is not None
        np.testing.assert_array_equal(reference.decode(rle), one.mask.placed((16, 12)))
    assert third is None
    assert not {output.name for output in OF_OBJECTS} & set(outputs_of(Store(Settings()).locate("everyday").card))


def test_label_studio_has_a_region_an_object(objects: TestClient) -> None:
    road = shared(ROAD).read_bytes()
    expected = [one for one in listed(objects, road) if one["class"] == "car"]
    boxes = '<RectangleLabels name="box" toName="img"><Label value="car"/></RectangleLabels>'
    (answer,) = predict(objects, config(boxes), {"photo": data_url(road)}).json()["results"]
    assert [item["type"] for item in answer["result"]] == ["rectanglelabels"] * len(expected)
    assert [item["score"] for item in answer["result"]] == [one["score"] for one in expected]
    assert answer["result"][0]["value"]["x"] == pytest.approx(100 * expected[0]["box"][0] / 960, abs=0.02)


def test_label_studios_brush_is_given_masks_and_filled_boxes() -> None:
    card = Store(Settings()).locate("everyday").card
    mask = np.zeros((12, 16), np.bool_)
    mask[2:5, 3:9] = True
    cat, dog = card.labels.index("cat"), card.labels.index("dog")
    about = meta("instance", (12, 16), tuple(card.labels), (PALETTE * 7)[: len(card.labels)])
    found = (
        Instance(id=1, class_id=cat, score=0.9, box_xyxy=(3, 2, 9, 5), mask=crop_mask(mask)),
        Instance(id=2, class_id=cat, score=0.5, box_xyxy=(0, 0, 2, 3)),
        Instance(id=3, class_id=dog, score=0.4, box_xyxy=(0, 0, 2, 3)),
    )
    brush = '<BrushLabels name="tag" toName="img"><Label value="cat"/></BrushLabels>'
    plan = plan_of(read_config(config(brush)), card)
    drawn = draw(InstanceResult(about, found), plan.parts)
    items = [json.loads(item) for item in drawn.items]
    assert [(item["type"], item["score"], item["id"]) for item in items] == [
        ("brushlabels", 0.9, "maskery-1"),
        ("brushlabels", 0.5, "maskery-2"),
    ]
    assert drawn.scored == (pytest.approx(0.9 * 18 + 0.5 * 6), 24)


def test_rembg_and_max_say_why_they_do_not_fit(objects: TestClient) -> None:
    cat = encoded(photo("chelsea"), "JPEG")
    cut = objects.post("/api/remove", files={"file": cat})
    assert cut.status_code == 400
    assert "cutouts" in cut.json()["detail"]
    listed_map = objects.post("/model/predict", files={"image": cat})
    assert 400 <= listed_map.status_code < 500
    assert len(listed_map.json()["message"]) > 20


def test_a_task_in_the_place_of_a_model(objects: TestClient) -> None:
    cat = encoded(photo("chelsea"), "JPEG")
    for task, model in (("detection", BOXES), ("semantic", "everyday")):
        response = objects.post(f"/v1/segment?task={task}&format=json", content=cat)
        assert response.json()["model"]["name"] == response.headers["maskery-model"] == model
        body = {"image": {"base64": data_url(cat).partition(",")[2]}, "task": task}
        assert objects.post("/v1/segment", json=body).json()["model"]["name"] == model
    for query, words in (
        ("task=detect", "Did you mean 'detection'"),
        ("task=foreground", "maskery models"),
        ("task=semantic&model=everyday", "Name one"),
    ):
        response = objects.post(f"/v1/segment?{query}", content=cat)
        assert 400 <= response.status_code < 500, query
        assert words in json.dumps(response.json()), query
