"""A model with a detector is like every other: one answer through all entry points, and no crash without faces."""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient

from maskery.cli.main import cli
from maskery.core.errors import MaskeryError
from maskery.core.settings import Settings
from maskery.models.card_toml import card_text
from maskery.models.catalog import builtin, catalog
from maskery.serving.app import create_app
from tests.face_models import scene, truth, write
from tests.material import decoded, encoded

PICTURE = scene((400, 300), (40, 60, 100), (240, 120, 120))
NOTE = "No face was found: all is background."


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    write(folder)
    return folder


@pytest.fixture(scope="module")
def client(cache: Path) -> Iterator[TestClient]:
    settings = Settings(cache=str(cache), model=("parts",))
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def mask(client: TestClient) -> NDArray[np.uint8]:
    response = client.post("/v1/segment?format=mask", content=encoded(PICTURE))
    assert response.status_code == 200, response.text
    assert "faces=2" in response.headers["Maskery-Plan"]
    assert "find;dur=" in response.headers["Server-Timing"]
    found = decoded(response.content)
    assert (found == truth(PICTURE)).mean() > 0.98
    return found


def test_the_command_line_gives_the_same(
    cache: Path, tmp_path: Path, mask: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASKERY_CACHE", str(cache))
    source, target = tmp_path / "two.png", tmp_path / "mask.png"
    source.write_bytes(encoded(PICTURE))
    done = CliRunner().invoke(cli, ["segment", str(source), "--model", "parts", "-o", str(target)])
    assert done.exit_code == 0, done.output
    assert np.array_equal(decoded(target.read_bytes()), mask)


def test_hugging_faces_api_gives_the_same(client: TestClient, mask: NDArray[np.uint8]) -> None:
    parts = client.post("/hf/parts", content=encoded(PICTURE)).json()
    masks = {part["label"]: decoded(base64.b64decode(part["mask"])) for part in parts}
    assert set(masks) == {"background", "skin", "nose"}
    assert np.array_equal(masks["nose"] > 0, mask == 2)


def test_rembg_cuts_the_faces_out(client: TestClient, mask: NDArray[np.uint8]) -> None:
    response = client.post("/api/remove", files={"file": ("two.png", encoded(PICTURE), "image/png")})
    assert response.status_code == 200, response.text
    alpha = np.asarray(Image.open(io.BytesIO(response.content)).convert("RGBA"))[..., 3]
    assert np.array_equal(alpha > 127, mask > 0)


def test_json_names_the_faces(client: TestClient) -> None:
    answer = client.post("/v1/segment?format=json", content=encoded(PICTURE)).json()
    assert "note" not in answer
    faces = answer["plan"]["faces"]
    assert [set(face) for face in faces] == [{"box", "score", "crop"}] * 2
    assert np.allclose(sorted(face["box"] for face in faces), [[40, 60, 140, 160], [240, 120, 360, 240]], atol=8)
    assert answer["frame"]["original"] == {"width": 400, "height": 300}


@pytest.mark.parametrize("format", ["json", "summary", "polygons", "overlay", "mask", "cutout", "blur", "confidence"])
def test_no_face_is_an_answer_in_every_format(client: TestClient, format: str) -> None:
    response = client.post(f"/v1/segment?format={format}", content=encoded(scene((200, 150))))
    assert response.status_code == 200, response.text
    assert "faces=0" in response.headers["Maskery-Plan"]
    if format in ("json", "summary", "polygons"):
        assert response.json()["note"] == NOTE


def test_no_face_is_said_on_stderr(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKERY_CACHE", str(cache))
    source = tmp_path / "none.png"
    source.write_bytes(encoded(scene((200, 150))))
    done = CliRunner().invoke(cli, ["segment", str(source), "--model", "parts", "--format", "summary"])
    assert done.exit_code == 0
    assert done.stderr == f"{source}: {NOTE}\n"
    assert json.loads(done.stdout)["note"] == NOTE


def test_a_wish_for_tiles_is_refused(client: TestClient) -> None:
    response = client.post("/v1/segment?tile=128", content=encoded(PICTURE))
    assert response.status_code == 400
    assert "crop of its own" in response.text


def test_the_card_shows_its_finder(client: TestClient) -> None:
    assert client.get("/v1/models/parts").json()["finder"]["model"] == "spots"
    assert "blazeface-full-range-192" not in [model["name"] for model in client.get("/v1/models").json()["models"]]


def test_a_finder_that_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKERY_CACHE", str(tmp_path))
    source = tmp_path / "two.png"
    source.write_bytes(encoded(PICTURE))

    def said() -> str:
        done = CliRunner().invoke(cli, ["segment", str(source), "--model", "parts", "--format", "json"])
        assert isinstance(done.exception, MaskeryError)
        return str(done.exception)

    folder = write(tmp_path, model="blazeface-full-range-192")
    assert "parts finds faces by the model blazeface-full-range-192, which is not here." in said()
    assert "Run: maskery models pull blazeface-full-range-192" in said()
    card = (folder / "model.toml").read_text()
    (folder / "model.toml").write_text(card.replace("blazeface-full-range-192", "spot"))
    assert "Did you mean 'spots'?" in said()
    pinned = card.replace("blazeface-full-range-192", "spots").replace('sha256 = ""', f'sha256 = "{"1" * 64}"')
    (folder / "model.toml").write_text(pinned)
    assert "Correct detector.sha256" in said()
    (folder / "model.toml").write_text(card.replace('"blazeface-full-range-192"', '"spots"\nlable = "x"'))
    assert "unknown key 'detector.lable'" in said()
    (folder / "model.toml").write_text(card.replace('"blazeface-full-range-192"', '"everyday"'))
    assert "gives no scores of a class 'face'" in said()


def test_a_finder_answers_nobody(tmp_path: Path) -> None:
    card = catalog()["blazeface-full-range-192"]
    place = tmp_path / "models" / card.name
    place.mkdir(parents=True)
    (place / card.file).write_bytes(bytes(card.bytes))
    (place / "model.toml").write_text(card_text(card))
    settings = Settings(cache=str(tmp_path))
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        assert sorted(model["name"] for model in client.get("/v1/models").json()["models"]) == list(builtin())
        response = client.post(f"/v1/segment?model={card.name}", content=encoded(PICTURE))
        assert response.status_code == 400
        assert "it gives no mask of its own" in response.text
