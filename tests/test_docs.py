"""The README's recipes are run as they stand there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.material import ROOT, decoded, encoded, photo
from tests.serving.live import Server


def block(language: str, containing: str) -> str:
    """The README's fenced block of this language that contains this text."""
    blocks = re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return next(text for text in blocks if containing in text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photo.jpg").write_bytes(encoded(photo("astronaut"), "JPEG"))
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "cat.jpg").write_bytes(encoded(photo("chelsea"), "JPEG"))
    return tmp_path


def shell(script: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_python(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", block("python", "maskery.load")], cwd=folder, capture_output=True, text=True, check=True
    )
    assert "person" in done.stdout
    assert decoded((folder / "mask.png").read_bytes()).shape == (512, 512)


def test_command_line(folder: Path) -> None:
    printed = shell(block("sh", "maskery segment"), folder)
    assert '"name":"person"' in printed
    assert "everyday" in printed
    assert decoded((folder / "mask.png").read_bytes()).shape == (512, 512)
    assert decoded((folder / "overlay.jpg").read_bytes()).shape == (512, 512, 3)
    assert (folder / "cut" / "cat-cutout.png").exists()


def test_curl(folder: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    server = Server()
    try:
        script = block("sh", "curl").replace("http://127.0.0.1:8000", f"http://127.0.0.1:{server.port}")
        printed = shell(script.replace("curl ", "curl --fail "), folder)
    finally:
        server.stop()
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
