"""Any class name a card may have, through every entry point and every format."""

import base64
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

import maskery
from maskery.cli.main import cli
from maskery.core.result.meta import MAPS
from maskery.core.settings import Settings
from maskery.encode.options import Options
from maskery.encode.registry import ENCODERS, encode
from maskery.models.card_toml import card_text, load_card
from maskery.models.catalog import builtin
from maskery.serving.app import create_app
from tests.encode.results import PALETTE, semantic
from tests.material import decoded, encoded, photo

NAMES = (
    "disc, round",
    " leading blank",
    'it\'s "quoted"',
    "road/side\\walk",
    "\U0001f431 cat \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "x" * 200,
    "<b>&amp;</b>",
    "caf\u00e9",
    "cafe\u0301",
    "\u3042\u3044\u3000\u3046",
    "$image {0} %s",
    "a=b+c;d:e|f",
    "null",
    "255",
    "\u202eltr\u200f",
)
CAT = 8  # of Pascal VOC
PICTURE = encoded(photo("chelsea"), "JPEG", (128, 96))


def labels_with(name: str) -> list[str]:
    """Pascal VOC's with ``name`` for the cat."""
    found = load_card(builtin()["everyday"] / "model.toml").labels
    return [name if i == CAT else label for i, label in enumerate(found)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model a name, each in a folder of its number."""
    root = tmp_path_factory.mktemp("names")
    for i, name in enumerate(NAMES):
        shutil.copytree(builtin()["everyday"], root / f"m{i}")
        card = load_card(root / f"m{i}" / "model.toml")
        changed = msgspec.structs.replace(card, name=f"m{i}", labels=labels_with(name), check=None)
        (root / f"m{i}" / "model.toml").write_text(card_text(changed), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def client(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    models = tuple(f"{folder}/m{i}/" for i in range(len(NAMES)))
    settings = Settings(cache=str(tmp_path_factory.mktemp("cache")), model=models)
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


def of_query(client: TestClient, model: str, name: str) -> bytes:
    return client.post(
        "/v1/segment", params={"format": "mask", "model": model, "classes": name}, content=PICTURE
    ).content


def of_form(client: TestClient, model: str, name: str) -> bytes:
    fields = {"format": "mask", "model": model, "classes": name}
    return client.post("/v1/segment", files={"image": PICTURE}, data=fields).content


def of_json(client: TestClient, model: str, name: str) -> bytes:
    image = {"base64": base64.b64encode(PICTURE).decode()}
    body = {"image": image, "format": "mask", "model": model, "classes": [name]}
    return client.post("/v1/segment", json=body).content


def of_open_inference(client: TestClient, model: str, name: str) -> bytes:
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [base64.b64encode(PICTURE).decode()]}
    body = {"inputs": [tensor], "outputs": [{"name": "mask_png"}], "parameters": {"classes": name}}
    answer = client.post(f"/v2/models/{model}/infer", json=body).json()
    return base64.b64decode(answer["outputs"][0]["data"][0])


WAYS: Sequence[Callable[[TestClient, str, str], bytes]] = (of_query, of_form, of_json, of_open_inference)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number", range(len(NAMES)))
def test_a_class_can_be_asked_for(client: TestClient, number: int, way: Callable[..., bytes]) -> None:
    found = decoded(way(client, f"m{number}", NAMES[number]))
    assert np.unique(found).tolist() == [0, CAT], NAMES[number]


@pytest.mark.parametrize("number", range(len(NAMES)))
def test_it_can_be_asked_for_in_python_and_on_the_command_line(folder: Path, tmp_path: Path, number: int) -> None:
    name, model = NAMES[number], folder / f"m{number}"
    found = maskery.load(model).segment(PICTURE, classes=(name,))
    assert {one["name"] for one in found.summary()["classes"]} == {"background", name}
    (tmp_path / "a.jpg").write_bytes(PICTURE)
    words = ["segment", str(tmp_path / "a.jpg"), "--model", f"{model}/", "--classes", name, "-o", "-"]
    done = CliRunner().invoke(cli, words, standalone_mode=False)
    assert done.exception is None, done.exception
    assert np.array_equal(decoded(done.stdout_bytes), found.class_map)


@pytest.mark.parametrize("number", range(len(NAMES)))
def test_protocols_say_it_as_it_is(client: TestClient, number: int) -> None:
    name, model = NAMES[number], f"m{number}"
    masks = client.post(f"/hf/{model}", content=PICTURE).json()
    assert name in [mask["label"] for mask in masks]
    card = client.get(f"/v2/models/{model}").json()
    assert name in json.loads(card["parameters"]["labels"])
    listed = client.get(f"/v1/models/{model}").json()
    assert name in listed["labels"]


@pytest.mark.parametrize("format", [name for name, one in ENCODERS.items() if name != "npy"])
@pytest.mark.parametrize("name", NAMES)
def test_every_format_writes_it(format: str, name: str) -> None:
    ids = np.kron(np.array([[0, 1], [2, 1]], np.uint8), np.ones((8, 8), np.uint8))
    maps = {one: np.zeros(ids.shape, np.float32) for one in MAPS}
    result = replace(semantic(ids, ("background", name, "other"), PALETTE), maps=maps)
    if not ENCODERS[format].fits(result):
        pytest.skip(f"{format} is for other results")
    photo_of_it: Any = np.zeros((16, 16, 3), np.uint8)
    data = encode(result, format, photo_of_it if ENCODERS[format].needs_photo else None, Options())
    if ENCODERS[format].media_type.endswith("json"):
        assert name in list(texts(json.loads(data)))


def texts(value: Any) -> Iterator[str]:
    """Every text in JSON, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from (key, *texts(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
