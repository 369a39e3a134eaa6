"""docs/formats.md names every format and option, and its examples run as they stand there."""

import json
import re
from pathlib import Path

from maskery.encode.options import HELP
from maskery.encode.registry import ENCODERS
from tests.material import ROOT, decoded, encoded, photo
from tests.recipes import block, python, shell

PAGE = ROOT / "docs" / "formats.md"


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_table_of_formats_is_the_table_in_the_code() -> None:
    found: dict[str, frozenset[str]] = {}
    for line in re.findall(r"^\| \[`.*", PAGE.read_text(), re.MULTILINE):
        names, _, options = cells(line)
        for name in re.findall(r"`([a-z0-9-]+)`", names):
            given = frozenset(re.findall(r"`(\w+)`", options))
            found[name] = given | ENCODERS["coco"].options if "the same" in options else given
            if name == "npy":
                found[name] = frozenset()
    assert found == {name: encoder.options for name, encoder in ENCODERS.items()}


def test_every_option_is_explained_with_its_default() -> None:
    lines = [cells(line) for line in re.findall(r"^\| `.*", PAGE.read_text(), re.MULTILINE)]
    named = [name for first, *_ in lines for name in re.findall(r"`(\w+)`", first)]
    assert sorted(named) == sorted(HELP)


def test_every_link_within_the_page_leads_to_a_heading() -> None:
    text = PAGE.read_text()
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^## (.*)", text, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= headings


def test_the_python_examples_run_one_after_another(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(encoded(photo("astronaut"), "JPEG"))
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    printed = python("import warnings; warnings.simplefilter('ignore')\n" + "".join(examples), tmp_path)
    assert "15 everyday" in printed
    assert "I;16 (512, 512)" in printed
    assert "'pieces'" in printed
    assert "tv" in printed or "person" in printed
    assert decoded((tmp_path / "hidden.jpg").read_bytes()).shape == (512, 512, 3)
    assert (decoded((tmp_path / "studio.png").read_bytes()) == 255).all(-1).mean() > 0.2
    assert json.loads((tmp_path / "photo.json").read_bytes())["imagePath"] == "photo.jpg"
    assert (tmp_path / "photo.svg").read_bytes().endswith(b"</svg>\n")


def test_the_command_lines_run(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(encoded(photo("astronaut"), "JPEG"))
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "cat.jpg").write_bytes(encoded(photo("chelsea"), "JPEG"))
    shell(block(PAGE, "sh", "polygons"), tmp_path)
    assert json.loads((tmp_path / "polygons.json").read_bytes())["gap_free"] is True
    assert json.loads((tmp_path / "coco.json").read_bytes())["images"][0]["file_name"] == "photo.jpg"
    assert (tmp_path / "labels" / "cat.txt").read_text().startswith("8 ")
