import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from maskery.cli.models import models
from maskery.core.card import Licence, ModelCard
from maskery.core.errors import (
    BadRequest,
    ChecksumError,
    ConfigError,
    DownloadError,
    LicenceError,
    ModelError,
    UnknownModel,
)
from maskery.core.settings import load_settings
from maskery.core.toml import parse_toml
from maskery.models import store as store_module
from maskery.models.catalog import catalog
from maskery.models.store import Store
from tests.models.cards import DATA, card

BOUND = card("bound", licence=Licence(name="X-NC", commercial_use=False, note="Somebody's pictures."))


@pytest.fixture(autouse=True)
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue of two tiny models, and a mirror that has their file."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "tiny.onnx").write_bytes(DATA)
    monkeypatch.setenv("MASKERY_MIRROR", str(folder))
    monkeypatch.setattr(store_module, "catalog", lambda: {"tiny": card(), "bound": BOUND})
    return folder


def call(*arguments: str, input: str | None = None) -> Result:
    """Run ``maskery models ...``; errors of the tree come out as they are."""
    return CliRunner().invoke(models, arguments, input=input, catch_exceptions=False)


def store() -> Store:
    return Store(load_settings())


def net(path: Path, classes: int = 3) -> Path:
    pytest.importorskip("onnx")
    from tests.models import tiny_nets

    return tiny_nets.nchw(path, classes)


def test_list() -> None:
    call("pull", "tiny")
    lines = call("list").stdout.splitlines()
    assert lines[0].split() == ["NAME", "TASK", "STATE", "SIZE", "LICENCE", "DESCRIPTION"]
    rows = {line.split()[0]: line for line in lines[1:]}
    assert "pulled" in rows["tiny"]
    assert "For tests." in rows["tiny"]
    assert "available" in rows["bound"]
    assert "X-NC (non-commercial)" in rows["bound"]
    assert rows["bound"].index("available") == rows["tiny"].index("pulled") == lines[0].index("STATE")


def test_list_json() -> None:
    result = call("list", "--json")
    found = {item["name"]: item for item in json.loads(result.stdout)}
    assert found["tiny"]["state"] == "available"
    assert found["tiny"]["bytes"] == len(DATA)
    assert found["bound"]["licence"]["commercial_use"] is False
    assert result.stderr == ""


def test_show() -> None:
    text = call("show", "bound").stdout
    for part in (
        "bound 1 (available)",
        "X-NC (non-commercial)",
        "Somebody's pictures.",
        "2: background, thing",
        "8 x 8",
    ):
        assert part in text
    assert "not measured" in text


def test_show_as_data() -> None:
    assert json.loads(call("show", "tiny", "--json").stdout)["labels"] == ["background", "thing"]
    assert parse_toml(call("show", "tiny", "--toml").stdout, ModelCard, "stdout") == card()


def test_show_measured_quality(monkeypatch: pytest.MonkeyPatch) -> None:
    import msgspec

    from maskery.core.card_facts import Quality

    quality = Quality(data="somewhere", split="val", miou=0.5, iou={"thing": 0.25}, images={"thing": 7}, note="by us")
    monkeypatch.setattr(store_module, "catalog", lambda: {"tiny": msgspec.structs.replace(card(), quality=quality)})
    text = call("show", "tiny").stdout
    for part in ("mean IoU 0.5000 on somewhere val", "IoU 0.250  thing (7 pictures)", "by us"):
        assert part in text


def test_every_card_of_the_catalogue_can_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "catalog", catalog)
    for name, expected in catalog().items():
        assert expected.sha256 in call("show", name).stdout


def test_unknown_name() -> None:
    for verb in ("show", "pull", "verify", "remove"):
        with pytest.raises(UnknownModel, match="'tiny'"):
            call(verb, "tinny")


def test_pull() -> None:
    first = call("pull", "tiny")
    assert first.stdout == f"{store().locate('tiny').path}\n"
    assert "tiny" in first.stderr
    again = call("pull", "tiny")
    assert again.stdout == first.stdout
    assert again.stderr == ""


def test_pull_of_a_bound_model() -> None:
    with pytest.raises(LicenceError, match="--accept-licence"):
        call("pull", "bound")
    assert store().entry("bound").state == "available"
    call("pull", "bound", "--accept-licence")
    assert store().entry("bound").state == "pulled"


def test_pull_offline() -> None:
    with pytest.raises(DownloadError, match="--offline"):
        call("pull", "tiny", "--offline")
    call("pull", "tiny")
    assert call("pull", "tiny", "--offline").exit_code == 0


def test_offline_of_the_settings_holds_without_the_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKERY_OFFLINE", "true")
    with pytest.raises(DownloadError):
        call("pull", "tiny")


def test_verify() -> None:
    call("pull", "tiny")
    assert "tiny  ok\n" in call("verify").stdout
    assert call("verify", "tiny").stdout == "tiny  ok\n"
    store().locate("tiny").path.write_bytes(DATA[:-1] + b"?")
    result = CliRunner().invoke(models, ["verify"])
    assert isinstance(result.exception, ChecksumError)
    assert "tiny  damaged\n" in result.stdout
    assert "maskery models pull tiny" in result.stderr


def test_remove() -> None:
    call("pull", "tiny")
    call("remove", "tiny")
    assert store().entry("tiny").state == "available"
    with pytest.raises(ModelError, match="not in the cache"):
        call("remove", "tiny")


def test_add(tmp_path: Path) -> None:
    result = call("add", str(net(tmp_path / "My Net.onnx")), "--licence", "MIT", "--yes")
    located = store().verify("my-net")
    assert located.origin == "added"
    assert result.stdout == f"{located.path}\n"
    assert "guessed: " in result.stderr
    assert located.card.licence == Licence(name="MIT", commercial_use=True)
    assert parse_toml(result.stderr.split("guessed:")[0], ModelCard, "stderr") == located.card


def test_add_asks_first(tmp_path: Path) -> None:
    file = str(net(tmp_path / "net.onnx"))
    assert call("add", file, input="n\n").exit_code == 1
    with pytest.raises(BadRequest, match=r"no terminal to confirm the card at\. Look at it above, then add --yes"):
        call("add", file, input="")
    with pytest.raises(UnknownModel):
        store().entry("net")
    answered = call("add", file, input="y\n")
    assert answered.stdout == f"{store().locate('net').path}\n"


def test_add_with_name_and_labels(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("sky\nsea\n\nland\n")
    call("add", str(net(tmp_path / "net.onnx")), "--name", "coast", "--labels", str(labels), "--yes")
    assert store().locate("coast").card.labels == ["sky", "sea", "land"]
    labels.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        call("add", str(tmp_path / "net.onnx"), "--labels", str(labels), "--yes")


OWN_CARD = """
name = "own"
version = "3"
task = "semantic"
description = "My own."
labels = ["a", "b", "c"]
licence = { name = "MIT", commercial_use = true }
input = { tensor = "x", layout = "NCHW", resize = "letterbox", size = [48, 32] }
output = { tensor = "y", kind = "logits", layout = "CHW" }
"""


def test_add_with_a_card(tmp_path: Path) -> None:
    own = tmp_path / "model.toml"
    own.write_text(OWN_CARD)
    result = call("add", str(net(tmp_path / "net.onnx")), "--card", str(own), "--yes")
    located = store().verify("own")
    assert (located.card.version, located.card.input.resize) == ("3", "letterbox")
    assert result.stdout == f"{located.path}\n"
    call("add", str(tmp_path / "net.onnx"), "--card", str(own), "--name", "other", "--yes")
    assert store().locate("other").card.version == "3"


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [('tensor = "y"', 'tensor = "z"', "no output tensor 'z'"), ('"a", "b", "c"', '"a", "b"', "3 classes")],
)
def test_card_that_does_not_fit_is_not_added(tmp_path: Path, right: str, wrong: str, message: str) -> None:
    own = tmp_path / "model.toml"
    own.write_text(OWN_CARD.replace(right, wrong))
    with pytest.raises(ModelError, match=message):
        call("add", str(net(tmp_path / "net.onnx")), "--card", str(own), "--yes")
    with pytest.raises(UnknownModel):
        store().entry("own")


def test_broken_card(tmp_path: Path) -> None:
    own = tmp_path / "model.toml"
    file = str(net(tmp_path / "net.onnx"))
    for text, message in (("name =", "cannot be read"), (OWN_CARD.replace("version", "verison"), "verison")):
        own.write_text(text)
        with pytest.raises(ConfigError, match=message):
            call("add", file, "--card", str(own), "--yes")


def test_card_and_labels_exclude_each_other(tmp_path: Path) -> None:
    own = tmp_path / "model.toml"
    own.write_text(OWN_CARD)
    result = call("add", str(net(tmp_path / "net.onnx")), "--card", str(own), "--licence", "MIT", "--yes")
    assert result.exit_code == click.UsageError.exit_code
    assert "--card" in result.stderr


def test_import_is_light() -> None:
    code = "import maskery.cli.models, sys; print({'numpy', 'PIL', 'onnxruntime', 'urllib3'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"


def test_labels_from_a_windows_editor(tmp_path: Path) -> None:
    from maskery.cli.output import lines

    (tmp_path / "l.txt").write_text("background\r\nred\r\n", encoding="utf-8-sig")
    assert lines(tmp_path / "l.txt") == ["background", "red"]
