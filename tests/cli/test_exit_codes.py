"""The same mistake has the same exit code in every verb."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskery.cli.main import VERBS, main

MISSING, UNKNOWN, NO_EXTRA, VALUE, OUTPUT = (
    "a file that is not there",
    "an unknown model",
    "a missing extra",
    "a bad value",
    "an output that cannot be written",
)
CODES = {MISSING: 2, UNKNOWN: 4, NO_EXTRA: 4, VALUE: 2, OUTPUT: 2}
# {set} is a data set without names of classes, {p} a folder with cat.png; "serve" is tested with the live server.
MISTAKES = (
    (MISSING, "segment nowhere.jpg"),
    (MISSING, "evaluate everyday nowhere"),
    (MISSING, "evaluate everyday {set} --labels nowhere.txt"),
    (MISSING, "compare everyday streets nowhere.jpg"),
    (MISSING, "compare everyday streets --data nowhere"),
    (MISSING, "data check nowhere"),
    (MISSING, "data check {set} --labels nowhere.txt"),
    (MISSING, "quantise everyday --calibrate nowhere"),
    (MISSING, "train nowhere.toml"),
    (MISSING, "export nowhere"),
    (MISSING, "models add nowhere.onnx"),
    (MISSING, "models import torchvision/fcn_resnet50 --weights nowhere.pth"),
    (MISSING, "serve --config nowhere.toml"),
    (MISSING, "doctor --config nowhere.toml"),
    (MISSING, "folder nowhere out"),
    (MISSING, "video nowhere.mp4 -o out.webm"),
    (MISSING, "jobs submit nowhere.jpg --server http://127.0.0.1:9"),
    (MISSING, "size --photos nowhere"),
    (MISSING, "package docker --manifest nowhere.toml -o out"),
    (UNKNOWN, "package docker --model everydya -o out"),
    (VALUE, "package dokcer -o out"),
    (UNKNOWN, "segment {p}/cat.png --model everydya"),
    (UNKNOWN, "evaluate everydya {set}"),
    (UNKNOWN, "compare everyday everydya {p}/cat.png"),
    (UNKNOWN, "quantise everydya --calibrate {set}"),
    (UNKNOWN, "models show everydya"),
    (UNKNOWN, "models pull everydya"),
    (UNKNOWN, "models verify everydya"),
    (UNKNOWN, "models remove everydya"),
    (NO_EXTRA, "quantise everyday --calibrate {set}"),
    (NO_EXTRA, "train {p}/recipe.toml"),
    (NO_EXTRA, "export {p}"),
    (NO_EXTRA, "models import torchvision/fcn_resnet50"),
    (VALUE, "segment {p}/cat.png --format gif"),
    (VALUE, "segment {p}/cat.png --classes cta"),
    (VALUE, "segment {p}/cat.png --max-side 5"),
    (VALUE, "evaluate everyday {set} --format gif"),
    (VALUE, "evaluate everyday {set} --labels vok"),
    (VALUE, "evaluate everyday {set} --labels voc --map sofa"),
    (VALUE, "evaluate everyday {set} --labels voc --map sfoa=chair"),
    (VALUE, "evaluate everyday {set} --labels voc --max-side 5"),
    (VALUE, "compare everyday streets --data {set} --format gif"),
    (VALUE, "compare everyday streets --data {set} --map sofa"),
    (VALUE, "data check {set} --format gif"),
    (VALUE, "data check {set} --labels vok"),
    (VALUE, "quantise everyday --calibrate {set} --validate {set} --format gif"),
    (VALUE, "quantise everyday --calibrate {set} --max-loss 2"),
    (VALUE, "models import elsewhere/x"),
    (VALUE, "serve --port 70000"),
    (OUTPUT, "segment {p}/cat.png -o /proc/nothing/mask.png"),
    (OUTPUT, "evaluate everyday {set} --labels voc --limit 1 --report /proc/nothing"),
    (OUTPUT, "data check {set} --sheet /proc/nothing/sheet.html"),
    (OUTPUT, "quantise everyday --calibrate {set} -o /proc/nothing/model"),
)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """``p``: a folder with a picture and a file for a recipe; ``set``: a data set, its classes without names."""
    folder, data = tmp_path_factory.mktemp("p"), tmp_path_factory.mktemp("set")
    Image.new("RGB", (64, 48), (90, 120, 60)).save(folder / "cat.png")
    (folder / "recipe.toml").touch()
    for kind in ("images", "masks"):
        (data / kind / "val").mkdir(parents=True)
    Image.new("RGB", (64, 48), (90, 120, 60)).save(data / "images" / "val" / "a.png")
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(data / "masks" / "val" / "a.png")
    return {"p": folder, "set": data}


@pytest.mark.parametrize(("mistake", "words"), MISTAKES)
def test_the_same_mistake_has_the_same_exit_code(
    mistake: str,
    words: str,
    places: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["maskery", *words.format(**places).split()])
    if mistake == NO_EXTRA:
        for package in ("torch", "onnx"):
            monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SystemExit) as caught:
        main()
    shown = capsys.readouterr().err
    assert caught.value.code == CODES[mistake], shown
    assert shown


def test_every_verb_is_asked() -> None:
    assert {words.split()[0] for _, words in MISTAKES} == set(VERBS)
