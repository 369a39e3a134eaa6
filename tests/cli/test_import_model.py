from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import maskery
from maskery.cli.models import models
from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest, LicenceError, MissingExtra, ModelError, UnknownModel
from maskery.core.settings import load_settings
from maskery.core.toml import parse_toml
from maskery.models.card_toml import load_card
from maskery.models.store import Store
from tests.material import encoded, photo
from tests.models.importers import folders


def call(*arguments: str) -> Result:
    """Run ``maskery models ...``; errors of the tree come out as they are."""
    return CliRunner().invoke(models, arguments, catch_exceptions=False)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKERY_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True, scope="module")
def traced_once() -> Iterator[None]:
    with folders.traced_once():
        yield


def store() -> Store:
    return Store(load_settings())


@pytest.mark.slow
def test_from_a_folder_to_a_mask(tmp_path: Path) -> None:
    """Import, list, import again, replace, serve, remove: with one trace of the smallest net."""
    folders.save("segformer", tmp_path / "street")
    source = f"hf/{tmp_path / 'street'}"
    result = call("import", source)
    located = store().verify("street")
    assert result.stdout == f"{located.path}\n"
    assert "pictures are stretched to a square of 64" in result.stderr
    assert located.origin == "added"
    assert "street" in call("list").stdout
    picture = tmp_path / "photo.png"
    picture.write_bytes(encoded(photo("astronaut"), "PNG", (96, 80)))
    answer = maskery.load("street").segment(picture)
    assert answer.class_map.shape == (80, 96)  # type: ignore[union-attr]
    assert answer.labels == folders.LABELS

    with pytest.raises(ModelError, match="--replace"):
        call("import", source)
    call("import", source, "--replace", "--half", "--licence", "MIT")
    again = store().verify("street")
    assert again.card.bytes < located.card.bytes
    assert again.card.licence.name == "MIT"
    call("remove", "street")
    with pytest.raises(UnknownModel):
        store().entry("street")


def test_dry_run_prints_the_card(tmp_path: Path) -> None:
    folders.save("segformer", tmp_path / "street")
    result = call("import", f"hf/{tmp_path / 'street'}", "--dry-run", "--name", "mine")
    assert "sha256 = " not in result.stdout
    facts = f'sha256 = "{"0" * 64}"\nbytes = 0\n'
    card = parse_toml(result.stdout.replace("[[networks]]\n", f"[[networks]]\n{facts}"), ModelCard, "stdout")
    assert (card.name, tuple(card.labels)) == ("mine", folders.LABELS)
    assert not (tmp_path / "cache").exists()


@pytest.mark.slow
def test_into_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.toml").write_text("")
    folders.save("segformer", tmp_path / "street")
    source = f"hf/{tmp_path / 'street'}"
    with pytest.raises(ModelError, match="has a model already"):
        call("import", source, "-o", str(tmp_path / "out"))
    (tmp_path / "out" / "model.toml").unlink()
    assert call("import", source, "-o", str(tmp_path / "out")).stdout == f"{tmp_path / 'out'}\n"
    assert load_card(tmp_path / "out" / "model.toml").bytes == (tmp_path / "out" / "street.onnx").stat().st_size
    assert "street" not in store().names()


def test_names_that_are_taken(tmp_path: Path) -> None:
    folders.save("segformer", tmp_path / "street")
    with pytest.raises(ModelError, match="Maskery's own"):
        call("import", f"hf/{tmp_path / 'street'}", "--name", "everyday", "--replace")


def test_without_a_licence(tmp_path: Path) -> None:
    folders.save("segformer", tmp_path / "street", licence="other")
    with pytest.raises(LicenceError, match="--licence NAME"):
        call("import", f"hf/{tmp_path / 'street'}")


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("torchvison/fcn_resnet50", (), "Did you mean 'torchvision/NAME'"),
        ("fcn_resnet50", (), "no source of models"),
        ("hf", (), "no source of models"),
        ("torchvision/fcn_resnet50", ("--revision", "main"), "--revision is not for torchvision"),
        ("hf/a/b", ("--classes", "3"), "--classes is not for hf"),
        ("hf/a/b", ("--weights", __file__), "--weights is not for hf"),
        ("hf/no such", (), "no folder, and no repository"),
    ],
)
def test_wrong_use(source: str, options: tuple[str, ...], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        call("import", source, *options)


def test_torchvision_names() -> None:
    with pytest.raises(UnknownModel, match="Did you mean 'deeplabv3_resnet101'"):
        call("import", "torchvision/deeplab_resnet101")


@pytest.mark.skipif(find_spec("torchvision") is not None, reason="torchvision is installed")
def test_without_torchvision() -> None:
    with pytest.raises(MissingExtra, match=r"maskery\[torchvision\]"):
        call("import", "torchvision/fcn_resnet50")
