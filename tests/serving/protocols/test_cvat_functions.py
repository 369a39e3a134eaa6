"""CVAT's serverless functions: what CVAT reads of them, and what it sends and gets, as its source has it."""

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import httpx2
import numpy as np
import pytest
from starlette.testclient import TestClient

from maskery.core.settings import Settings
from maskery.serving.app import create_app
from tests.inference.prompts.toy_prompt import scene, write_toy
from tests.material import decoded, encoded, photo

SIZE_WH, THING = (120, 90), (40, 20, 80, 60)
PICTURE = encoded(scene(SIZE_WH, THING), "PNG")
CAT = encoded(photo("chelsea"), "JPEG", (220, 150))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = write_toy(tmp_path_factory.mktemp("toy"), "prompt")
    settings = Settings(cache=str(tmp_path_factory.mktemp("cache")), model=("everyday", str(folder)))
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


def invoke(
    client: TestClient, name: str, picture: bytes = PICTURE, prefix: str = "", **payload: Any
) -> httpx2.Response:
    """As CVAT does, by way of nuclio's dashboard."""
    headers = {
        "x-nuclio-project-name": "cvat", "x-nuclio-function-namespace": "nuclio", "x-nuclio-invoke-via": "domain-name",
        "x-nuclio-function-name": name, "x-nuclio-path": "/",
    }  # fmt: skip
    body = {"image": b64encode(picture).decode(), **payload}
    return client.post(prefix + "/api/function_invocations", json=body, headers=headers)


def test_cvat_reads_each_model_as_a_function(client: TestClient) -> None:
    functions = client.get("/api/functions").json()
    assert {"everyday", "prompt"} <= functions.keys()
    assert "cifar10" not in functions
    for name, data in functions.items():  # the keys that CVAT's LambdaFunction reads, and how
        assert data["metadata"]["name"] == name
        about = data["metadata"]["annotations"]
        labels = [item["name"] for item in json.loads(about.get("spec") or "[]")]
        assert len(set(labels)) == len(labels)
        assert about["type"] == ("interactor" if name == "prompt" else "detector")
        assert int(about.get("version", "1")) == 1
        assert data["status"]["state"] == "ready"
        assert isinstance(data["spec"]["description"], str)
        assert client.get(f"/cvat/api/functions/{name}").json() == data
    about = functions["prompt"]["metadata"]["annotations"]
    assert (int(about["min_pos_points"]), int(about["min_neg_points"])) == (0, 0)
    assert "background" not in functions["everyday"]["metadata"]["annotations"]["spec"]


def test_an_interactor_answers_with_the_pictures_rows(client: TestClient) -> None:
    answers = [
        invoke(client, "prompt", pos_points=[[60, 40]], neg_points=[], obj_bbox=None),
        invoke(client, "prompt", prefix="/cvat", pos_points=[[60, 40]], neg_points=[]),
        client.post("/cvat", json={"image": b64encode(PICTURE).decode(), "pos_points": [[60, 40]], "neg_points": []}),
    ]
    masks = [np.array(answer.json()["mask"]) for answer in answers]
    expected = decoded(client.post("/v1/interact?points=60,40&format=png", content=PICTURE).content)
    for mask in masks:
        np.testing.assert_array_equal(mask, expected)
    corrected = invoke(client, "prompt", pos_points=[[60, 40]], neg_points=[[45, 25]]).json()["mask"]
    assert (masks[0][25][45], corrected[25][45]) == (255, 0)
    boxed = np.array(
        invoke(client, "prompt", pos_points=[], neg_points=[], obj_bbox=[[40, 20], [60, 60]]).json()["mask"]
    )
    assert not boxed[:, 64:].any()
    nothing = np.array(invoke(client, "prompt", pos_points=[], neg_points=[], obj_bbox=[[0, 0], [9, 9]]).json()["mask"])
    assert nothing.shape == (90, 120)
    assert not nothing.any()


def test_a_detector_answers_with_a_mask_a_class(client: TestClient) -> None:
    shapes = invoke(client, "everyday", CAT).json()
    ids = decoded(client.post("/v1/segment?format=mask", content=CAT).content)
    labels = client.get("/v1/models/everyday").json()["labels"]
    assert {shape["label"] for shape in shapes} == {labels[i] for i in np.unique(ids) if i}
    for shape in shapes:
        *flat, left, top, right, bottom = shape["mask"]
        part = np.array(flat).reshape(bottom - top + 1, right - left + 1)
        whole = ids == labels.index(shape["label"])
        np.testing.assert_array_equal(whole[top : bottom + 1, left : right + 1], part)
        assert whole.sum() == part.sum()
        assert (shape["type"], shape["confidence"]) == ("mask", None)


@pytest.mark.parametrize(
    ("name", "payload", "status", "said"),
    [
        ("prompt", {}, 400, "Nothing was clicked"),
        ("prompt", {"pos_points": [[1]], "neg_points": []}, 400, "2 finite"),
        ("prompt", {"pos_points": [], "neg_points": [[1, 1]]}, 400, "No point is on the object"),
        ("prompt", {"pos_points": [[500, 1]], "neg_points": []}, 400, "outside"),
        ("prompt", {"pos_points": [], "obj_bbox": [[1, 1]]}, 400, "4 finite"),
        ("prompt", {"pos_points": "60,40"}, 400, "a call of CVAT"),
        ("promtp", {"pos_points": [[60, 40]]}, 404, "prompt"),
        ("cifar10", {}, 400, "no masks"),
        ("", {}, 404, "x-nuclio-function-name"),
    ],
)
def test_what_is_wrong_is_told(client: TestClient, name: str, payload: Any, status: int, said: str) -> None:
    refused = invoke(client, name, **payload)
    assert (refused.status_code, list(refused.json())) == (status, ["error"])
    assert said in refused.json()["error"]


def test_paths_that_are_not_there(client: TestClient) -> None:
    assert client.get("/cvat/api/functions/nothing").status_code == 404
    assert client.get("/cvat/api/functions/cifar10").status_code == 400
    assert client.get("/cvat/something").json()["error"]
