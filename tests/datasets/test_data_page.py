"""docs/data.md says what is so: its programs run, its files are read, its output is what is printed."""

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from maskery.cli.data import data as command
from maskery.datasets.classes import read_classes
from maskery.datasets.formats import FORMAT_NAMES
from tests.material import ROOT, shared
from tests.recipes import block, python

PAGE = ROOT / "docs" / "data.md"


def test_every_format_has_its_row() -> None:
    assert set(re.findall(r"^\| `([a-z-]+)` \| .* \| .* \|$", PAGE.read_text(), re.MULTILINE)) == set(FORMAT_NAMES)


def test_every_kind_of_finding_is_explained() -> None:
    source = (ROOT / "src" / "maskery" / "datasets" / "check.py").read_text()
    kinds = set(re.findall(r"\.(?:problem|warning)\(\s*\"([a-z]+)\"", source))
    assert kinds >= {"missing", "picture", "mask", "leak", "near", "turned"}
    assert all(f"`{kind}`" in PAGE.read_text() for kind in kinds)


def test_label_maps_are_told_as_printed_there(tmp_path: Path) -> None:
    printed = python(block(PAGE, "python", "parse_overrides"), tmp_path)
    assert printed == block(PAGE, "text", "counts as")


def test_the_files_of_classes(tmp_path: Path) -> None:
    (tmp_path / "classes.toml").write_text(block(PAGE, "toml", "[[classes]]"))
    found = read_classes(tmp_path)
    assert found
    assert (found.names, found.values, found.ignored) == (("background", "cell"), (0, 255), (7,))
    assert found.ignored_colours == ((0, 0, 0),)


@pytest.mark.parametrize("masks", ["masks/train", "masks", "train/masks"])
def test_a_folder_of_your_own(tmp_path: Path, masks: str) -> None:
    root = tmp_path / "mydata"
    for folder in (masks, masks.replace("masks", "images")):
        (root / folder).mkdir(parents=True)
        Image.fromarray(np.zeros((4, 6), np.uint8)).save(root / folder / "a.png")
    (root / "classes.txt").write_text("background\ncell\nnucleus\n")
    printed = python(block(PAGE, "python", "describe("), tmp_path)
    assert printed == "1 ('background', 'cell', 'nucleus') a (4, 6)\n"


def test_the_report_on_camvid(monkeypatch: pytest.MonkeyPatch) -> None:
    root = shared("data/camvid")
    monkeypatch.chdir(root.parent)
    run = CliRunner().invoke(command, ["check", "camvid"])
    assert run.exit_code == 0
    assert f"$ maskery data check camvid\n{run.stdout}" == block(PAGE, "text", "$ maskery data check camvid")
