import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

pytest.importorskip("onnx")

from maskery.cli import output
from maskery.cli import quantise as command
from maskery.cli.main import exit_code
from maskery.core.errors import BadRequest, LossAboveLimit, MissingExtra
from tests.models.quantisation import squares


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return squares.data(tmp_path_factory.mktemp("data") / "set")


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command.quantise, [str(a) for a in arguments], catch_exceptions=False)


def test_the_folder_goes_to_stdout_words_to_stderr(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    squares.model(tmp_path / "m")
    monkeypatch.chdir(tmp_path)
    done = call("./m", "--calibrate", data, "--pictures", "8")
    assert done.stdout == "squares-int8\n"
    assert (tmp_path / "squares-int8" / "model.toml").is_file()
    for words in ("mIoU", "limit 0.01", "times as fast", "MB"):
        assert words in done.stderr


def test_a_refused_model_is_told_of_as_json_too(data: Path, tmp_path: Path) -> None:
    squares.model(tmp_path / "m", loud=squares.LOUD)
    runner = CliRunner()
    arguments = [f"{tmp_path / 'm'}/", "--calibrate", str(data), "--pictures", "8", "-o", str(tmp_path / "o"), "--json"]
    done = runner.invoke(command.quantise, arguments)
    assert isinstance(done.exception, LossAboveLimit)
    assert exit_code(done.exception) == 6
    report = json.loads(done.stdout)
    assert report["published"] is None
    assert report["loss"] > report["limit"]
    assert not (tmp_path / "o").exists()


def test_without_pictures_or_the_package_onnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    squares.model(tmp_path / "m")
    with pytest.raises(BadRequest, match="Add --calibrate DATA"):
        call(f"{tmp_path / 'm'}/")
    monkeypatch.setattr(output, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"maskery\[quantise\]"):
        call("everyday")
