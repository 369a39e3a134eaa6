"""Regions of every kind of model, on nets of a few nodes."""

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
from starlette.testclient import TestClient

from maskery.core.settings import Settings
from maskery.models.propose_card import propose_card
from maskery.models.store import Store
from maskery.serving.app import create_app
from tests.material import encoded, photo
from tests.serving.protocols.label_studio.requests import config, data_url, drawn, ids_of, predict, results

pytest.importorskip("onnx")

from tests.models import tiny_nets


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Also holds cutter (a foreground), ids (a class map), many (more than 255 classes) and classes (a classifier)."""
    folder = tmp_path_factory.mktemp("nets")
    settings = Settings(cache=str(folder / "cache"))
    files = {
        "cutter": tiny_nets.foreground(folder / "cutter.onnx", sigmoid=True),
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
def cat() -> bytes:
    return encoded(photo("chelsea"), "JPEG", (150, 100))


def ask(client: TestClient, model: str, labels: list[str], picture: bytes) -> Any:
    tags = "".join(f"<Label value='{label}'/>" for label in labels)
    xml = config(f"<BrushLabels name='b' toName='img'>{tags}</BrushLabels>")
    return predict(client, xml, {"photo": data_url(picture)}, prefix=f"/label-studio/models/{model}")


def test_a_foreground_model(nets: TestClient, cat: bytes) -> None:
    label = nets.get("/v1/models/cutter").json()["labels"][1]
    (prediction,) = results(ask(nets, "cutter", [label], cat))
    (item,) = prediction["result"]
    assert np.array_equal(drawn(item), ids_of(nets, cat, "cutter") == 1)
    assert 0.5 <= item["score"] <= 1
    assert prediction["score"] == pytest.approx(item["score"])
    assert prediction["model_version"].startswith("cutter:")


def test_a_model_without_scores(nets: TestClient, cat: bytes) -> None:
    (prediction,) = results(ask(nets, "ids", ["cat", "dog", "background"], cat))
    ids = ids_of(nets, cat, "ids")
    assert prediction["score"] is None
    assert len(prediction["result"]) == len(np.unique(ids))
    for item in prediction["result"]:
        label = item["value"]["brushlabels"][0]
        assert np.array_equal(drawn(item), ids == ["background", "cat", "dog"].index(label))
        assert "score" not in item


def test_more_than_255_labels(nets: TestClient, cat: bytes) -> None:
    names = nets.get("/v1/models/many").json()["labels"]
    (prediction,) = results(ask(nets, "many", names[::-1], cat))
    ids = ids_of(nets, cat, "many")
    assert len(prediction["result"]) == len(np.unique(ids))
    for item in prediction["result"]:
        assert np.array_equal(drawn(item), ids == names.index(item["value"]["brushlabels"][0]))


def test_a_classifier(nets: TestClient, cat: bytes) -> None:
    response = ask(nets, "classes", ["cat"], cat)
    assert (response.status_code, "classifier" in response.json()["detail"]) == (400, True)
