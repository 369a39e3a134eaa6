"""docs/python.md and docs/notebook.ipynb run as they stand there."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import maskery
from maskery.models.segmented_picture import Segmentation
from tests.material import ROOT, decoded, encoded, photo
from tests.recipes import block, python
from tests.serving.live import Server

PAGE, NOTEBOOK = ROOT / "docs" / "python.md", ROOT / "docs" / "notebook.ipynb"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MPLBACKEND", "agg")
    (tmp_path / "photo.jpg").write_bytes(encoded(photo("astronaut"), "JPEG"))
    return tmp_path


def test_a_model_in_this_process(folder: Path) -> None:
    assert "person" in python(block(PAGE, "python", "result.masks()"), folder)
    python(block(PAGE, "python", "to_pil"), folder)
    assert decoded((folder / "cutout.png").read_bytes()).shape == (512, 512, 4)
    assert (folder / "plot.png").exists()
    assert json.loads((folder / "shapes.geojson").read_text())["features"]


def test_clients(folder: Path) -> None:
    server = Server()
    try:
        sync, twin = (
            python(block(PAGE, "python", name).replace(":8000", f":{server.port}"), folder)
            for name in ("maskery.Client(", "maskery.AsyncClient(")
        )
    finally:
        server.stop()
    assert "person" in sync
    assert "failed: bad-request" in sync
    assert decoded((folder / "mask.png").read_bytes()).shape == (512, 512)
    assert twin.split(maxsplit=1) == ["3", "(512, 512)\n"]


def test_the_table_names_what_is_there() -> None:
    names = re.findall(r"^\| (`.*?) \|", PAGE.read_text(), re.MULTILINE)
    public = {name for line in names for name in re.findall(r"`(\w+)", line)}
    assert set(maskery.__all__) - {"__version__", "Segmenter"} <= public
    members = {name for name in dir(Segmentation) if not name.startswith("_")} | {"result", "picture"}
    assert members <= public


def cells() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text())["cells"]
    return found


def test_the_notebook_is_stored_without_outputs() -> None:
    for cell in cells():
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


def test_the_code_cells_of_the_notebook_run_in_order(folder: Path) -> None:
    """In one fresh process, without Jupyter: a kernel and its twenty packages would show nothing more."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    code = ["".join(cell["source"]) for cell in cells() if cell["cell_type"] == "code"]
    program = "\n".join([*code, "print(sorted(masks), type(people).__name__, len(people._repr_png_()) > 1000)"])
    done = subprocess.run(
        [sys.executable, "-c", program.replace("8123", port)],
        cwd=folder, env=os.environ.copy(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[0] == "['background', 'cat'] Segmentation True"
    assert decoded((folder / "cutout.png").read_bytes()).shape[2] == 4
