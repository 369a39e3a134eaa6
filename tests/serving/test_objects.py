"""A model of objects is like every other: one answer by HTTP, by the command line and in Python, and its own limits."""

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from maskery.cli.main import cli
from maskery.core.settings import Settings
from maskery.models.catalog import FOLDER, catalog
from maskery.models.segmenter import open_segmenter
from maskery.serving.app import create_app
from tests.material import shared

NAME = "yolox-nano-coco"
ROAD = "data/photos/udacity_solidWhiteCurve.jpg"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("objects")
    target = folder / "models" / NAME
    target.mkdir(parents=True)
    shutil.copy(shared("models") / catalog()[NAME].file, target)
    shutil.copy(FOLDER / "catalog" / f"{NAME}.toml", target / "model.toml")
    return folder


@pytest.fixture(scope="module")
def client(cache: Path) -> Iterator[TestClient]:
    settings = Settings(cache=str(cache), model=(NAME, "everyday"))
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


def scores(document: dict[str, list[dict[str, float]]]) -> list[float]:
    return [one["score"] for one in document["objects"]]


def test_cars_by_every_entry_point(
    client: TestClient, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    road = shared(ROAD)
    answer = client.post("/v1/segment?score=0.5", content=road.read_bytes())
    assert answer.status_code == 200, answer.text
    objects = answer.json()["objects"]
    assert [(one["class"], one["id"]) for one in objects] == [("car", 1), ("car", 2)]
    assert objects[0]["box"] == pytest.approx([191, 305, 276, 353], abs=3)
    limited = client.post("/v1/segment?score=0.5&max_objects=1&overlap=0.5", content=road.read_bytes())
    assert limited.json()["objects"] == objects[:1]
    body = {"image": {"base64": base64.b64encode(road.read_bytes()).decode()}, "score": 0.5, "max_objects": 1}
    assert client.post("/v1/segment", json=body).json()["objects"] == objects[:1]
    form = client.post("/v1/segment?max_objects=1", files={"image": road.read_bytes()})
    assert form.json()["objects"] == objects[:1]
    monkeypatch.setenv("MASKERY_CACHE", str(cache))
    command = ["segment", str(road), "--model", NAME, "--format", "json", "--score", "0.5", "--max-objects", "1"]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["objects"] == objects[:1]
    result = open_segmenter(NAME, Settings(cache=str(cache))).segment(road, score=0.5).result
    assert result.meta.task == "detection"


def test_limits_change_the_etag(client: TestClient) -> None:
    road = shared(ROAD).read_bytes()
    queries = ("", "?score=0.5", "?max_objects=1", "?overlap=0.9")
    tags = [client.post(f"/v1/segment{query}", content=road).headers["ETag"] for query in queries]
    assert len(set(tags)) == len(tags)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("score=2", "score is 2.0"),
        ("score=nan", "score is nan"),
        ("score=much", "score is 'much'"),
        ("overlap=-1", "overlap is -1.0"),
        ("max_objects=0", "max_objects is 0"),
        ("max_objects=2000", "max_objects is 2000"),
        ("max_objects=1.5", "max_objects is '1.5'"),
        ("score=0.5&model=everyday", "it finds no single objects"),
        ("max_objects=5&model=everyday", "it finds no single objects"),
        ("format=npy", "detection"),
    ],
)
def test_what_cannot_be_asked_for(client: TestClient, query: str, says: str) -> None:
    answer = client.post(f"/v1/segment?{query}", content=shared(ROAD).read_bytes())
    assert answer.status_code == 400, answer.text
    assert says in answer.text
    assert answer.json()["cure"]
