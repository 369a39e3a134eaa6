import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from maskery.core.card import CARD_NAME, Licence, ModelCard
from maskery.core.errors import (
    ChecksumError,
    ConfigError,
    DownloadError,
    LicenceError,
    ModelError,
    NotPulled,
    UnknownModel,
)
from maskery.core.settings import Settings
from maskery.core.toml import parse_toml
from maskery.models import store as store_module
from maskery.models.card_toml import card_text, load_card
from maskery.models.catalog import builtin, catalog
from maskery.models.store import Store, StoredModel, is_path
from tests.material import ROOT
from tests.models.cards import DATA, card
from tests.models.file_server import FileServer, serving

BOUND = card("bound", licence=Licence(name="X-NC", commercial_use=False, note="Trained on somebody's pictures."))
VIRAL = card("viral", licence=Licence(name="AGPL-3.0", commercial_use=True, copyleft=True))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "tiny.onnx").write_bytes(DATA)
    return folder


@pytest.fixture
def store(cache: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store whose catalogue has three tiny models."""
    cards = {c.name: c for c in (card(), BOUND, VIRAL)}
    monkeypatch.setattr(store_module, "catalog", lambda: cards)
    return Store(Settings(cache=str(cache), mirror=str(mirror)))


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    path = tmp_path / "My Net.onnx"
    path.write_bytes(b"net")
    return path


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock")


def state(store: Store, name: str) -> str:
    return store.entry(name).state


def test_pull_then_locate(store: Store, cache: Path) -> None:
    pulled = store.pull("tiny")
    assert pulled == store.locate("tiny")
    assert pulled.origin == "pulled"
    assert pulled.card == card() == load_card(cache / "models/tiny" / CARD_NAME)
    assert pulled.path.read_bytes() == DATA
    assert files(cache) == ["models/tiny/model.toml", "models/tiny/tiny.onnx"]


def test_second_pull_fetches_nothing(store: Store, mirror: Path) -> None:
    store.pull("tiny")
    (mirror / "tiny.onnx").unlink()
    assert store.pull("tiny").origin == "pulled"


def test_flipped_byte_in_the_mirror_leaves_nothing(store: Store, cache: Path, mirror: Path) -> None:
    (mirror / "tiny.onnx").write_bytes(DATA[:7] + bytes([DATA[7] ^ 8]) + DATA[8:])
    with pytest.raises(ChecksumError):
        store.pull("tiny")
    assert files(cache) == []
    assert not (cache / "models/tiny").exists()
    assert state(store, "tiny") == "available"


def test_nothing_is_pulled_in_passing(store: Store, cache: Path) -> None:
    with pytest.raises(NotPulled, match="maskery models pull tiny"):
        store.locate("tiny")
    assert files(cache) == []


def test_unknown_name_gets_the_nearest(store: Store) -> None:
    for ask in (store.locate, store.entry, store.pull, store.verify, store.remove):
        with pytest.raises(UnknownModel, match="Did you mean 'tiny'"):
            ask("tinny")


def test_offline(cache: Path, store: Store, mirror: Path) -> None:
    offline = Store(Settings(cache=str(cache), mirror=str(mirror), offline=True))
    with pytest.raises(DownloadError, match="maskery models pull tiny"):
        offline.pull("tiny")
    assert not (cache / "models/tiny").exists()
    store.pull("tiny")
    assert offline.pull("tiny").origin == "pulled"


@pytest.mark.parametrize(
    ("name", "reasons"),
    [("bound", ("X-NC", "commercial use", "somebody's pictures")), ("viral", ("AGPL-3.0", "copyleft"))],
)
def test_licence_gate(store: Store, cache: Path, name: str, reasons: tuple[str, ...]) -> None:
    with pytest.raises(LicenceError) as caught:
        store.pull(name)
    assert all(reason in caught.value.message for reason in reasons)
    assert "--accept-licence" in caught.value.cure
    assert files(cache) == []
    assert store.pull(name, accept_licence=True).card.name == name
    assert store.pull(name).origin == "pulled"


def test_damaged_file(store: Store) -> None:
    path = store.pull("tiny").path
    path.write_bytes(DATA[:-1] + b"?")
    with pytest.raises(ChecksumError, match="maskery models pull tiny"):
        store.verify("tiny")
    store.pull("tiny")
    assert store.verify("tiny").path.read_bytes() == DATA


@pytest.mark.parametrize("damage", [lambda p: p.unlink(), lambda p: p.write_bytes(DATA[:-1])])
def test_missing_or_short_file_is_seen_by_locate(store: Store, damage: object) -> None:
    assert callable(damage)
    damage(store.pull("tiny").path)
    with pytest.raises(ChecksumError, match="maskery models pull tiny"):
        store.locate("tiny")


def test_pull_mends_a_broken_card(store: Store, cache: Path) -> None:
    store.pull("tiny")
    (cache / "models/tiny" / CARD_NAME).write_text("name = ")
    with pytest.raises(ConfigError, match=r"model\.toml"):
        store.locate("tiny")
    assert store.pull("tiny").card == card()


def test_new_version_in_the_catalogue_replaces_the_old(
    store: Store, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.pull("tiny")
    newer = msgspec.structs.replace(card(data=b"newer"), version="2")
    monkeypatch.setattr(store_module, "catalog", lambda: {"tiny": newer})
    (mirror / "tiny.onnx").write_bytes(b"newer")
    assert store.locate("tiny").card.version == "1"
    assert store.pull("tiny").card.version == "2"
    assert store.locate("tiny").path.read_bytes() == b"newer"


def test_remove(store: Store, cache: Path) -> None:
    store.pull("tiny")
    store.remove("tiny")
    assert files(cache) == []
    assert state(store, "tiny") == "available"
    with pytest.raises(ModelError, match="not in the cache"):
        store.remove("tiny")


def test_remove_clears_an_interrupted_pull(store: Store, cache: Path) -> None:
    (cache / "models/tiny").mkdir(parents=True)
    (cache / "models/tiny/tiny.onnx.partial").write_bytes(DATA[:9])
    store.remove("tiny")
    assert files(cache) == []


def test_builtin_models_come_first_and_stay(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "builtin/zebra"
    folder.mkdir(parents=True)
    (folder / "tiny.onnx").write_bytes(DATA)
    (folder / CARD_NAME).write_text(card_text(card("zebra", url="")))
    monkeypatch.setattr(store_module, "builtin", lambda: {"zebra": folder})
    assert store.locate("zebra").origin == store.pull("zebra").origin == "built-in"
    assert store.entries()[0] == StoredModel(card("zebra", url=""), "built-in")
    with pytest.raises(ModelError, match="built in"):
        store.remove("zebra")
    with pytest.raises(ModelError, match="--name"):
        store.add(folder / "tiny.onnx", card("zebra"))
    assert (folder / "tiny.onnx").exists()


def test_add(store: Store, cache: Path, own_file: Path) -> None:
    added = store.add(own_file, card("mine"))
    assert added.origin == "added"
    assert added == store.verify("mine")
    assert added.path == cache / "models/mine/My Net.onnx"
    assert added.path.read_bytes() == b"net"
    assert (added.card.bytes, added.card.url, added.card.file) == (3, "", "My Net.onnx")
    assert files(cache) == ["models/mine/My Net.onnx", "models/mine/model.toml"]
    assert [(e.card.name, e.state) for e in store.entries() if e.state != "built-in"] == [
        ("bound", "available"),
        ("mine", "added"),
        ("tiny", "available"),
        ("viral", "available"),
    ]


def test_add_refuses_taken_names_and_other_files(store: Store, own_file: Path, tmp_path: Path) -> None:
    store.add(own_file, card("mine"))
    with pytest.raises(ModelError, match="maskery models remove mine"):
        store.add(own_file, card("mine"))
    with pytest.raises(ModelError, match="catalogue"):
        store.add(own_file, card("tiny"))
    text = tmp_path / "notes.txt"
    text.write_text("no model")
    with pytest.raises(ModelError, match=r"\.onnx"):
        store.add(text, card("notes"))


def test_by_path(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "net"
    folder.mkdir()
    (folder / "tiny.onnx").write_bytes(DATA)
    (folder / CARD_NAME).write_text(card_text(card("net")))
    for name in (str(folder), f"{folder}/", str(folder / CARD_NAME)):
        located = store.locate(name)
        assert (located.card.name, located.path, located.origin) == ("net", folder / "tiny.onnx", "path")
    (folder / "tiny.onnx").write_bytes(DATA[:-1] + b"?")
    with pytest.raises(ChecksumError, match="sha256"):
        store.locate(str(folder))
    (folder / "tiny.onnx").unlink()
    with pytest.raises(ModelError, match="beside"):
        store.locate(str(folder))
    with pytest.raises(ConfigError, match="cannot be read"):
        store.locate(str(tmp_path / "nowhere/"))


@pytest.mark.parametrize("name", ["..", ".", "", "../tiny", "a/../../etc", "..\\tiny", "/etc", "Tiny", "tiny\n", "-x"])
def test_names_do_not_leave_the_cache(store: Store, cache: Path, name: str) -> None:
    """Neither found nor deleted, with a real model around the corner."""
    (cache / "models").mkdir(parents=True)
    for place in (cache, cache / "models", cache.parent / "tiny"):
        place.mkdir(exist_ok=True)
        (place / CARD_NAME).write_text(card_text(card()))
    before = files(cache.parent)
    with pytest.raises(UnknownModel):
        store.entry(name)
    with pytest.raises(UnknownModel):
        store.remove(name)
    assert files(cache.parent) == before


def test_folders_that_no_model_can_have_are_passed_over(store: Store, cache: Path) -> None:
    stray = cache / "models/Copy of tiny"
    stray.mkdir(parents=True)
    (stray / CARD_NAME).write_text(card_text(card()))
    assert [e.card.name for e in store.entries() if e.state != "built-in"] == ["bound", "tiny", "viral"]


def test_is_path() -> None:
    assert [is_path(n) for n in ("everyday", "a.b-c_1", "./x", "x/", "..\\x", "x.toml")] == [False] * 2 + [True] * 4


def test_cache_that_cannot_be_written(store: Store, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(ConfigError, match="MASKERY_CACHE"):
        store.pull("tiny")


def test_default_cache_is_the_platforms() -> None:
    assert Store(Settings()).folder.name == "maskery"


PULL = """
import sys
from tests.models.cards import card
from maskery.core.settings import Settings
from maskery.models import store
from tests.models.cards import card
store.catalog = lambda: {"tiny": card()}
print(store.Store(Settings(cache=sys.argv[1], mirror=sys.argv[2])).pull("tiny").path.stat().st_size)
"""


def test_two_processes_fetch_once(cache: Path) -> None:
    with serving(FileServer({"/tiny.onnx": DATA}, delay=1.0)) as server:
        command = [sys.executable, "-c", PULL, str(cache), server.url]
        environment = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}", "NO_PROXY": "*"}
        pulls = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(2)]
        answers = [pull.communicate(timeout=60)[0] for pull in pulls]
    assert answers == [f"{len(DATA)}\n"] * 2
    assert len(server.requests) == 1


def test_card_text_reads_back() -> None:
    nasty = ['"', "\\", "tab\t", "line\nbreak", "del\x7f", "ünï 猫", "#", "'", " x"]
    odd = msgspec.structs.replace(
        card(),
        description="a \\ \"quoted\" 'text'\n",
        labels=nasty,
        palette=[(i, 0, 255) for i in range(len(nasty))],
        training={"rate": 1e-5, "epochs": 3, "a key": "x"},
    )
    for original in (odd, *catalog().values(), *(load_card(path / CARD_NAME) for path in builtin().values())):
        assert parse_toml(card_text(original), ModelCard, "test") == original


ENCODED = b"encoder"
PAIR = msgspec.structs.replace(
    card("pair"),
    networks=[
        msgspec.structs.replace(card().networks[0], name="head", inputs=["x"], outputs=["features"]),
        msgspec.structs.replace(
            card(data=ENCODED).networks[0], name="decoder", file="decoder.onnx", inputs=["features"], outputs=["y"]
        ),
    ],
)


@pytest.fixture
def pair(store: Store, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store whose catalogue has a model of two networks."""
    monkeypatch.setattr(store_module, "catalog", lambda: {"pair": PAIR})
    (mirror / "decoder.onnx").write_bytes(ENCODED)
    return store


def test_all_networks_are_pulled_and_located(pair: Store, cache: Path) -> None:
    pulled = pair.pull("pair")
    assert [path.name for path in pulled.files] == ["tiny.onnx", "decoder.onnx"]
    assert pulled.bytes == len(DATA) + len(ENCODED)
    assert pair.verify("pair") == pair.locate("pair") == pulled
    assert files(cache) == ["models/pair/decoder.onnx", "models/pair/model.toml", "models/pair/tiny.onnx"]


def test_only_the_damaged_network_is_fetched_again(pair: Store, mirror: Path) -> None:
    decoder = pair.pull("pair").files[1]
    decoder.write_bytes(b"encodex")
    with pytest.raises(ChecksumError, match=r"decoder\.onnx has sha256"):
        pair.verify("pair")
    (mirror / "tiny.onnx").unlink()
    assert pair.pull("pair").files[1].read_bytes() == ENCODED
    decoder.unlink()
    with pytest.raises(ChecksumError, match=r"decoder\.onnx is missing"):
        pair.locate("pair")


def test_networks_of_a_model_of_ones_own_lie_beside_each_other(store: Store, tmp_path: Path) -> None:
    (tmp_path / "first.onnx").write_bytes(b"first")
    (tmp_path / "decoder.onnx").write_bytes(b"second")
    added = store.add(tmp_path / "first.onnx", msgspec.structs.replace(PAIR, name="own"))
    assert [path.read_bytes() for path in store.verify("own").files] == [b"first", b"second"]
    assert [network.bytes for network in added.card.networks] == [5, 6]
    (added.files[1]).write_bytes(b"secund")
    with pytest.raises(ChecksumError, match=r"decoder\.onnx has sha256"):
        store.locate(str(added.path.parent))
