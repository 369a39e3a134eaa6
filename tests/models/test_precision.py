"""The setting ``precision``: int8 twins are taken knowingly, or refused."""

import shutil
from pathlib import Path

import msgspec
import pytest
from starlette.testclient import TestClient

import maskery
from maskery.core.card import CARD_NAME
from maskery.core.card_facts import Quantisation
from maskery.core.errors import ConfigError
from maskery.core.settings import Settings
from maskery.models.card_toml import card_text, load_card
from maskery.models.catalog import builtin
from maskery.models.store import TWIN, Store
from maskery.serving.app import create_app
from tests.material import encoded, photo

EVERYDAY = load_card(builtin()["everyday"] / CARD_NAME)
REPORT = Quantisation(
    to="int8", method="as made for this test", of="everyday@1.0.0", of_sha256=EVERYDAY.sha256, measure="mIoU",
    data="voc", split="val", before=0.5, after=0.5, loss=0.0, limit=0.01, speed_ratio=1.5, ms_before=3.0, ms_after=2.0,
    bytes_before=EVERYDAY.bytes, bytes_after=EVERYDAY.bytes, machine="none", runtime="none",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The built-in model with a twin, which here has the same weights."""
    folder = tmp_path / "own"
    shutil.copytree(builtin()["everyday"], folder, ignore=shutil.ignore_patterns(TWIN))
    twin(folder, REPORT)
    return folder


def twin(folder: Path, report: Quantisation | None) -> None:
    (folder / TWIN).mkdir(exist_ok=True)
    shutil.copy(folder / EVERYDAY.file, folder / TWIN)
    card = msgspec.structs.replace(EVERYDAY, name="everyday-int8", quantisation=report)
    (folder / TWIN / CARD_NAME).write_text(card_text(card), encoding="utf-8")


def store(precision: str) -> Store:
    return Store(msgspec.convert({"precision": precision}, Settings))


def test_the_twin_is_taken_where_int8_is_asked_for(folder: Path) -> None:
    assert store("float").locate(str(folder)).card.name == "everyday"
    located = store("int8").locate(str(folder))
    assert (located.card.name, located.path.parent) == ("everyday-int8", folder / TWIN)
    assert store("int8").locate(str(folder / TWIN)).card == located.card, "it is its own twin"
    assert maskery.load(str(folder), precision="int8").card.name == "everyday-int8"


def test_a_model_without_a_twin_is_refused(folder: Path) -> None:
    shutil.rmtree(folder / TWIN)
    with pytest.raises(ConfigError, match="no int8 twin") as error:
        store("int8").locate(str(folder))
    assert "maskery quantise everyday" in str(error.value)


@pytest.mark.parametrize("report", [None, msgspec.structs.replace(REPORT, of_sha256="0" * 64)])
def test_a_twin_of_another_file_is_refused(folder: Path, report: Quantisation | None) -> None:
    twin(folder, report)
    with pytest.raises(ConfigError, match="made from another file"):
        store("int8").locate(str(folder))


def test_answers_and_status_name_the_twin(folder: Path, tmp_path: Path) -> None:
    settings = Settings(model=(str(folder),), precision="int8", cache=str(tmp_path / "cache"))
    with TestClient(create_app(settings)) as client:
        answer = client.post("/v1/segment?format=summary", content=encoded(photo("astronaut"), "JPEG")).json()
        assert answer["model"]["name"] == "everyday-int8"
        assert client.get("/v1/status").json()["models"][0]["name"] == "everyday-int8"


def test_built_in_twins_belong_to_their_models() -> None:
    for name, place in builtin().items():
        if (place / TWIN / CARD_NAME).is_file():
            assert store("int8").locate(name).card.quantisation is not None
