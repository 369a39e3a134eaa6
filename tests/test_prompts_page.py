"""docs/prompts.md and docs/protocols/cvat.md run as they stand there."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.inference.prompts.toy_prompt import write_toy
from tests.material import ROOT, decoded, encoded, photo
from tests.recipes import block, python, shell
from tests.serving.live import Server

PAGE, CVAT = ROOT / "docs" / "prompts.md", ROOT / "docs" / "protocols" / "cvat.md"
SHAPE = (300, 451)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model called ``prompt`` is there, whatever is built in."""
    cache = tmp_path_factory.mktemp("cache")
    write_toy(cache / "models" / "prompt", "prompt")
    return cache


@pytest.fixture(scope="module")
def server(cache: Path) -> Iterator[Server]:
    running = Server(MASKERY_CACHE=str(cache))
    yield running
    running.stop()


@pytest.fixture
def folder(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MASKERY_CACHE", str(cache))
    (tmp_path / "photo.jpg").write_bytes(encoded(photo("chelsea"), "JPEG"))
    return tmp_path


def test_command_line(folder: Path) -> None:
    printed = shell(block(PAGE, "sh", "--point 240,130 -o mask.png"), folder)
    assert json.loads(printed)["images"][0]["file_name"] == "photo.jpg"
    assert decoded((folder / "mask.png").read_bytes()).shape == SHAPE
    assert decoded((folder / "cutout.png").read_bytes()).shape == (*SHAPE, 4)


def test_python(folder: Path) -> None:
    score, pixels = python(block(PAGE, "python", ".session("), folder).split()
    assert 0 <= float(score) <= 1
    assert int(pixels) > 0
    assert decoded((folder / "cutout.png").read_bytes()).shape == (*SHAPE, 4)


def test_client_and_curl(folder: Path, server: Server) -> None:
    for language, name in (("python", "client.interact"), ("sh", "/v1/interact")):
        script = block(PAGE, language, name).replace(":8000", f":{server.port}")
        (python if language == "python" else shell)(script, folder)
    assert decoded((folder / "mask.png").read_bytes()).shape == SHAPE
    assert json.loads((folder / "masks.json").read_text())["objects"][0]["mask"]["size"] == list(SHAPE)
    assert json.loads((folder / "box.json").read_text())["task"] == "prompt"
    assert json.loads((folder / "warm.json").read_text())["state"] in ("ready", "warming")


def test_cvat(folder: Path, server: Server) -> None:
    shell(block(CVAT, "sh", "pos_points").replace(":8000", f":{server.port}"), folder)
    assert len(json.loads((folder / "mask.json").read_text())["mask"]) == SHAPE[0]
    assert "cat" in {shape["label"] for shape in json.loads((folder / "shapes.json").read_text())}
