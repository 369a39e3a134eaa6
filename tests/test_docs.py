"""The README's recipes are run as they stand there."""

import re
from pathlib import Path

import pytest

from tests.material import ROOT, decoded, encoded, photo
from tests.recipes import block, python, shell
from tests.serving.live import Server

README = ROOT / "README.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photo.jpg").write_bytes(encoded(photo("astronaut"), "JPEG"))
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "cat.jpg").write_bytes(encoded(photo("chelsea"), "JPEG"))
    return tmp_path


def test_python(folder: Path) -> None:
    assert "person" in python(block(README, "python", "maskery.load"), folder)
    assert decoded((folder / "mask.png").read_bytes()).shape == (512, 512)


def test_command_line(folder: Path) -> None:
    printed = shell(block(README, "sh", "maskery segment"), folder)
    assert '"name":"person"' in printed
    assert "everyday" in printed
    assert decoded((folder / "mask.png").read_bytes()).shape == (512, 512)
    assert decoded((folder / "overlay.jpg").read_bytes()).shape == (512, 512, 3)
    assert (folder / "cut" / "cat-cutout.png").exists()


def test_curl(folder: Path, plain_server: Server) -> None:
    script = block(README, "sh", "curl").replace("http://127.0.0.1:8000", f"http://127.0.0.1:{plain_server.port}")
    printed = shell(script, folder)
    assert '"default":"everyday"' in printed
    assert decoded((folder / "mask.png").read_bytes()).shape == (512, 512)
    assert decoded((folder / "person.png").read_bytes()).shape == (512, 512, 4)


def test_every_link_leads_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
            assert link.startswith("http") or (page.parent / link).exists(), f"{page.name}: {link}"


def test_every_decision_is_listed() -> None:
    listed = (ROOT / "docs" / "adr" / "README.md").read_text()
    for page in (ROOT / "docs" / "adr").glob("0*.md"):
        assert f"({page.name})" in listed
