"""Hugging Face's own client against a live server, and what only plain HTTP can send."""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import BadRequestError, HfHubHTTPError
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient

import maskery
from maskery.core.settings import Settings
from maskery.models.store import Store
from maskery.serving.app import create_app
from maskery.serving.protocols.envelope import Failure
from maskery.serving.protocols.huggingface import envelope
from tests.material import ROOT, decoded, encoded, photo, shared
from tests.recipes import block, python
from tests.serving.live import Server

PHOTO = encoded(photo("chelsea"), "JPEG")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server(MASKERY_MAX_QUEUE="8")
    yield server
    server.stop()


@pytest.fixture
def hub(server: Server) -> InferenceClient:
    return InferenceClient(model=f"http://127.0.0.1:{server.port}/hf/everyday", token="hf_something")


def class_map() -> NDArray[np.uint8]:
    found: NDArray[np.uint8] = maskery.load("everyday").segment(PHOTO).class_map
    return found


def test_a_path_and_bytes(hub: InferenceClient, tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(PHOTO)
    ids, labels = class_map(), maskery.load("everyday").card.labels
    for source in (str(tmp_path / "cat.jpg"), tmp_path / "cat.jpg", PHOTO):
        items = hub.image_segmentation(source)
        assert [item.label for item in items] == [labels[id] for id in np.unique(ids)]
        assert {"background", "cat"} <= {item.label for item in items}
        for item in items:
            assert item.score is None
            assert item.mask.mode == "L"  # type: ignore[attr-defined]
            assert np.array_equal(np.asarray(item.mask), np.where(ids == labels.index(item.label), 255, 0))


def test_parameters_travel_as_json(hub: InferenceClient) -> None:
    plain = hub.image_segmentation(PHOTO)
    same = hub.image_segmentation(
        PHOTO, threshold=0.99, mask_threshold=0.9, overlap_mask_area_threshold=0.9, subtask="semantic"
    )
    assert [item.label for item in same] == [item.label for item in plain]
    for one, other in zip(plain, same, strict=True):
        assert np.array_equal(np.asarray(one.mask), np.asarray(other.mask))


@pytest.mark.parametrize("subtask", ["instance", "panoptic"])
def test_what_no_model_here_does(hub: InferenceClient, subtask: str) -> None:
    with pytest.raises(BadRequestError, match=f"everyday does no {subtask} segmentation. Leave subtask out"):
        hub.image_segmentation(PHOTO, subtask=subtask)  # type: ignore[arg-type]


def test_errors_reach_the_client(hub: InferenceClient, server: Server) -> None:
    with pytest.raises(BadRequestError, match="damaged or cut off"):
        hub.image_segmentation(PHOTO[:4000])
    with pytest.raises(HfHubHTTPError, match="no picture of a known kind"):
        hub.image_segmentation(b"this is no picture")
    for name in ("nothing", "org/name", "facebook/mask2former-swin-large-coco-panoptic"):
        with pytest.raises(HfHubHTTPError, match="There is no model") as caught:
            InferenceClient(model=f"http://127.0.0.1:{server.port}/hf/{name}").image_segmentation(PHOTO)
        assert caught.value.response.status_code == 404
    with pytest.raises(HfHubHTTPError, match="maskery models pull selfie-256") as caught:
        InferenceClient(model=f"http://127.0.0.1:{server.port}/hf/selfie-256").image_segmentation(PHOTO)
    assert caught.value.response.status_code == 409


def test_an_upright_mask_of_a_turned_photograph(hub: InferenceClient) -> None:
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    Image.fromarray(photo("chelsea")).transpose(Image.Transpose.ROTATE_90).save(file, "PNG", exif=exif)
    upright = hub.image_segmentation(encoded(photo("chelsea")))
    turned = hub.image_segmentation(file.getvalue())
    assert [np.asarray(i.mask).tolist() for i in turned] == [np.asarray(i.mask).tolist() for i in upright]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"inputs": "!"}, "base64 text is broken"),
        ({"input": "x"}, "Did you mean 'inputs'"),
        ({"inputs": "", "parameters": {"treshold": 0.5}}, "Did you mean 'threshold'"),
        ({"inputs": "", "parameters": {"threshold": 1.5}}, "parameters.threshold"),
        ({"inputs": "", "parameters": {"mask_threshold": "high"}}, "parameters.mask_threshold"),
        ({"inputs": "", "parameters": {"subtask": "medical"}}, "parameters.subtask"),
        ({"inputs": "", "parameters": [1]}, "parameters"),
        ({"inputs": "", "options": {}}, "'options'"),
        ({"inputs": ""}, "picture is empty"),
    ],
)
def test_wrong_json(client: TestClient, body: dict[str, object], says: str) -> None:
    response = client.post("/hf/everyday", json=body)
    assert response.status_code == 400
    assert list(response.json()) == ["error"]
    assert says in response.json()["error"]


def test_the_type_of_the_body_does_not_matter(client: TestClient) -> None:
    expected = client.post("/hf/everyday", content=PHOTO).json()
    text = json.dumps({"inputs": base64.b64encode(PHOTO).decode()})
    for type in ("image/png", "application/json", "text/plain", "application/x-www-form-urlencoded"):
        for content in (PHOTO, text):
            response = client.post("/hf/everyday", content=content, headers={"content-type": type})
            assert response.json() == expected, (type, content[:10])


def test_verbs_and_paths(client: TestClient) -> None:
    def refused(response: httpx2.Response, status: int, says: str) -> None:
        assert response.status_code == status
        assert says in response.json()["error"]

    refused(client.get("/hf/everyday"), 405, "not allowed")
    refused(client.post("/hf/", content=PHOTO), 404, "Ask /hf/everyday")
    refused(client.post("/hf/%2e%2e%2fetc%2fpasswd.toml", content=PHOTO), 404, "There is no model")
    assert client.options("/hf/everyday").headers["allow"] == "POST, OPTIONS"


def test_a_busy_server_says_when_to_come_back() -> None:
    response = envelope(Failure(status=503, code="busy", message="Later.", headers={"Retry-After": "3"}))
    assert (response.status_code, response.body, response.headers["retry-after"]) == (503, b'{"error":"Later."}', "3")


def test_a_soft_mask_has_a_score(tmp_path: Path) -> None:
    settings = Settings(cache=str(tmp_path), mirror=str(shared("models")), model=("everyday", "selfie-256"))
    Store(settings).pull("selfie-256")
    alpha_of = maskery.models.segmenter.open_segmenter("selfie-256", settings)  # type: ignore[attr-defined]
    data = encoded(photo("astronaut"))
    alpha = alpha_of.segment(data).result.alpha
    text = base64.b64encode(data).decode()
    with TestClient(create_app(settings)) as client:
        (item,) = client.post("/hf/selfie-256", content=data).json()
        strict = client.post("/hf/selfie-256", json={"inputs": text, "parameters": {"mask_threshold": 0.9}}).json()
        none = client.post("/hf/selfie-256", json={"inputs": text, "parameters": {"threshold": 1}}).json()
    assert item["label"] == "person"
    assert item["score"] == pytest.approx(alpha[alpha >= 128].mean() / 255)
    assert np.array_equal(decoded(base64.b64decode(item["mask"])), np.where(alpha >= 128, 255, 0))
    assert np.array_equal(decoded(base64.b64decode(strict[0]["mask"])), np.where(alpha >= 230, 255, 0))
    assert none == []


def test_the_page_as_it_stands(server: Server, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(PHOTO)
    program = block(ROOT / "docs" / "protocols" / "hugging-face.md", "python", "InferenceClient")
    printed = python(program.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{server.port}"), tmp_path)
    assert "cat None (451, 300)" in printed.splitlines()
