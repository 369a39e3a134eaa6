import json
from pathlib import Path

import pytest
import torch

from maskery.core.errors import ConfigError, LicenceError, ModelError
from maskery.models.importers import hf
from maskery.models.importers.draft import ImportRequest, ImportSource
from maskery.models.importers.hub import Snapshot, snapshot
from tests.models.importers import folders
from tests.models.importers.folders import LABELS, change


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hf") / "Seg Former"
    folders.save("segformer", folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    copy = tmp_path / saved.name
    copy.mkdir()
    for path in saved.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy


def find(folder: Path, wishes: ImportRequest = ImportRequest()) -> ImportSource:  # noqa: B008 - frozen
    return hf.find(snapshot(str(folder)), wishes)


def test_card(folder: Path) -> None:
    what = find(folder)
    card = what.card
    assert card.name == "seg-former"
    assert tuple(card.labels) == LABELS
    assert (card.licence.name, card.licence.note) == ("Apache-2.0", "As its README says.")
    assert (card.input.resize, card.input.side, card.input.multiple) == ("square", 64, 32)
    assert card.input.mean == pytest.approx((123.675, 116.28, 103.53))
    assert [spec.fixed for spec in what.inputs] == [False, True]
    assert card.training["imported_from"] == "hf/Seg Former"
    assert len(str(card.training["sha256 of model.safetensors"])) == 64
    assert str(card.training["sha256 of model.safetensors"]).startswith(card.version)


def test_revision_of_the_hub(folder: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    card = hf.find(Snapshot("net", folder, commit), ImportRequest(name="mine")).card
    assert (card.name, card.version) == ("mine", "01234567")
    assert card.training["revision"] == commit


def test_licence(folder: Path) -> None:
    assert find(folder, ImportRequest(licence="MIT")).card.licence.name == "MIT"
    (folder / "README.md").write_text("---\nlicense: other\nlicense_name: nvidia-nc\n---\n")
    what = find(folder)
    assert (what.card.licence.name, what.card.licence.commercial_use) == ("nvidia-nc", False)
    assert "guessed: licence nvidia-nc does not allow commercial use" in what.notes
    (folder / "README.md").unlink()
    with pytest.raises(LicenceError, match="--licence NAME"):
        find(folder)


def test_labels(folder: Path) -> None:
    assert find(folder, ImportRequest(labels=tuple("abcde"))).card.labels == list("abcde")
    with pytest.raises(ConfigError, match="It has 5 classes, --labels has 2"):
        find(folder, ImportRequest(labels=("a", "b")))
    change(folder, "config.json", id2label={str(i): name for i, name in enumerate(("door", "wall", "door", "a", "b"))})
    what = find(folder)
    assert what.card.labels == ["door", "wall", "door 2", "a", "b"]
    assert "the label of class 2 becomes 'door 2'" in what.notes
    change(folder, "config.json", id2label={str(i): f"LABEL_{i}" for i in range(5)})
    assert any("names no classes" in note for note in find(folder).notes)
    change(folder, "config.json", id2label={"0": "a", "2": "b"})
    with pytest.raises(ModelError, match="gaps"):
        find(folder)


def test_pickled_weights_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pytorch_model\.bin only: such a file can run code"):
        find(folder)
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(ModelError, match=r"no \.safetensors file"):
        find(folder)


def test_types_that_are_not_imported(folder: Path) -> None:
    change(folder, "config.json", model_type="segformr")
    with pytest.raises(ModelError, match="Did you mean 'segformer'"):
        find(folder)
    change(folder, "config.json", model_type=None)
    with pytest.raises(ModelError, match="no model_type"):
        find(folder)


def test_broken_files(folder: Path) -> None:
    (folder / "preprocessor_config.json").write_text("{")
    with pytest.raises(ModelError, match=r"preprocessor_config\.json is no JSON"):
        find(folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(ModelError, match="no JSON object"):
        find(folder)
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        find(folder)


def test_without_a_processor(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match=r"no preprocessor_config\.json: how pictures are prepared is unknown"):
        find(folder)


def test_processor_of_unknown_type(folder: Path) -> None:
    change(folder, "preprocessor_config.json", image_processor_type="NoSuchProcessor")
    with pytest.raises(ModelError, match="is not understood"):
        find(folder)


def test_code_in_the_folder_is_not_run(folder: Path) -> None:
    (folder / "evil.py").write_text("raise SystemExit('ran')")
    change(
        folder, "config.json", auto_map={"AutoModelForSemanticSegmentation": "evil.Net", "AutoConfig": "evil.Config"}
    )
    net = find(folder).load()
    assert net(torch.zeros(1, 3, 64, 64)).shape == (1, 5, 16, 16)


def test_weights_that_are_missing_are_not_random(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in state.items() if not name.startswith("decode_head.classifier")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    what = find(folder)
    with pytest.raises(ModelError, match=r"lacks 2 weights of its network, decode_head\.classifier\.bias"):
        what.load()
    (folder / "model.safetensors").write_bytes(json.dumps({}).encode())
    with pytest.raises(ModelError, match="cannot be loaded"):
        find(folder).load()
