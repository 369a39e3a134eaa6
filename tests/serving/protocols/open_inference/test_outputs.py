"""The outputs of every kind of model, on nets of a few nodes."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from starlette.testclient import TestClient

from maskery.core.settings import Settings
from maskery.models.propose_card import propose_card
from maskery.models.store import Store
from maskery.serving.app import create_app
from tests.material import decoded, encoded, photo
from tests.serving.protocols.open_inference.wire import infer_bytes, tensors

pytest.importorskip("onnx")

from tests.models import tiny_nets

BINARY = {"binary_data_output": True}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Also holds a model of every task: person, classes, ids (a class map) and many (more than 255 classes)."""
    folder: Path = tmp_path_factory.mktemp("nets")
    settings = Settings(cache=str(folder / "cache"))
    files = {
        "person": tiny_nets.foreground(folder / "person.onnx", sigmoid=True),
        "classes": tiny_nets.classifier(folder / "classes.onnx", 5, "Softmax"),
        "ids": tiny_nets.class_map(folder / "ids.onnx", 3, keep=False),
        "many": tiny_nets.nchw(folder / "many.onnx", 300),
    }
    for name, file in files.items():
        labels = ["background", "cat", "dog"] if name == "ids" else None
        Store(settings).add(file, msgspec.structs.replace(propose_card(file, labels=labels).card, name=name))
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def picture() -> bytes:
    return encoded(photo("chelsea"), "PNG", (90, 60))


EXPECTED = {
    "person": {"class_map": "UINT8", "mask_png": "BYTES", "summary": "BYTES", "alpha": "UINT8"},
    "classes": {"scores": "FP32", "summary": "BYTES"},
    "ids": {"class_map": "UINT8", "mask_png": "BYTES", "summary": "BYTES"},
    "many": {
        "class_map": "UINT16",
        "mask_png": "BYTES",
        "summary": "BYTES",
        "confidence": "FP32",
        "entropy": "FP32",
        "margin": "FP32",
    },
}


@pytest.mark.parametrize("model", EXPECTED)
def test_metadata_says_what_is_answered(client: TestClient, picture: bytes, model: str) -> None:
    """Each announced output comes, of the announced type and shape, in JSON and as binary data."""
    announced = client.get(f"/v2/models/{model}").json()
    assert {output["name"]: output["datatype"] for output in announced["outputs"]} == EXPECTED[model]
    outputs = [{"name": name} for name in EXPECTED[model]]
    binary = infer_bytes(client, picture, picture, model=model, outputs=outputs, parameters=BINARY)
    plain = infer_bytes(client, picture, picture, model=model, outputs=outputs)
    for output in plain.json()["outputs"]:
        shape = next(one["shape"] for one in announced["outputs"] if one["name"] == output["name"])
        assert len(output["shape"]) == len(shape)
        assert all(said in (-1, is_) for said, is_ in zip(shape, output["shape"], strict=True))
        assert output["datatype"] == EXPECTED[model][output["name"]]
    for name, value in tensors(binary).items():
        other = tensors(plain)[name]
        if isinstance(value, np.ndarray):
            assert np.array_equal(value, other)
            assert value.dtype == other.dtype
            assert np.array_equal(value[0], value[1])


@pytest.mark.parametrize("model", EXPECTED)
def test_the_default_output_is_the_first(client: TestClient, picture: bytes, model: str) -> None:
    assert list(tensors(infer_bytes(client, picture, model=model))) == list(EXPECTED[model])[:1]


def test_values_are_those_of_the_native_api(client: TestClient, picture: bytes) -> None:
    for model in ("person", "many", "ids"):
        names = [{"name": "class_map"}, {"name": "mask_png"}]
        found = tensors(infer_bytes(client, picture, model=model, outputs=names, parameters=BINARY))
        mask = client.post(f"/v1/segment?model={model}&format=mask", content=picture).content
        assert np.array_equal(found["class_map"][0], decoded(mask))
        assert np.array_equal(decoded(found["mask_png"][0]), decoded(mask))
    alpha = tensors(infer_bytes(client, picture, model="person", outputs=[{"name": "alpha"}]))["alpha"][0]
    assert len(np.unique(alpha)) > 20
    scores = tensors(infer_bytes(client, picture, model="classes"))["scores"]
    assert scores.shape == (1, 5)
    assert scores.sum() == pytest.approx(1, abs=1e-5)
    labels = json.loads(client.get("/v2/models/classes").json()["parameters"]["labels"])
    top = client.post("/v1/segment?model=classes", content=picture).json()["top"][0]
    assert labels[int(scores[0].argmax())] == top["name"]


def test_what_a_model_has_not_is_refused(client: TestClient, picture: bytes) -> None:
    for model, output in (("ids", "confidence"), ("person", "entropy"), ("classes", "class_map"), ("many", "alpha")):
        response = infer_bytes(client, picture, model=model, outputs=[{"name": output}])
        assert response.status_code == 400
        assert f"no output '{output}'" in response.json()["error"]
    refused = infer_bytes(client, picture, model="classes", parameters={"classes": "a"})
    assert (refused.status_code, "classifier" in refused.json()["error"]) == (400, True)


def test_pictures_of_several_sizes_for_a_classifier(client: TestClient, picture: bytes) -> None:
    other = encoded(photo("coffee"), "PNG", (40, 70))
    assert tensors(infer_bytes(client, picture, other, model="classes"))["scores"].shape == (2, 5)
