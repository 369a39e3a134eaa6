"""docs/walk.md, walked: twenty pictures, its recipe, its commands, and a mask from the server at the end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from maskery.evaluation.confusion import Confusion, quality
from maskery.models.card_toml import load_card
from tests.material import ROOT
from tests.recipes import block, shell

PAGE = ROOT / "docs" / "walk.md"
CLASSES = ("background", "disc", "box")


def draw(folder: Path) -> None:
    """Twenty pictures, each with a reddish disc and a bluish box somewhere on noise."""
    rng = np.random.default_rng(4)
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    (folder / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    for i in range(20):
        image = Image.fromarray(rng.integers(90, 150, (80, 96, 3), np.uint8))
        mask = Image.new("L", image.size)
        for label, colour, x in ((1, (200, 60, 50), rng.integers(0, 20)), (2, (40, 70, 200), rng.integers(48, 64))):
            y, side = rng.integers(2, 44), rng.integers(24, 32)
            area = (int(x), int(y), int(x + side), int(y + side))
            for pen, fill in ((ImageDraw.Draw(image), colour), (ImageDraw.Draw(mask), label)):
                (pen.ellipse if CLASSES[label] == "disc" else pen.rectangle)(area, fill)
        image.save(folder / "images" / f"{i:02}.png")
        mask.save(folder / "masks" / f"{i:02}.png")


@contextmanager
def serving(command: str, folder: Path) -> Iterator[str]:
    """The address of the server that ``command`` starts, on a free port."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command.split()],
        cwd=folder,
        env=os.environ | {"MASKERY_PORT": "0"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        ready = next(line for line in process.stderr if "ready on " in line)
        yield ready.split("ready on ")[1].strip()
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


@pytest.mark.slow
def test_from_twenty_pictures_to_a_served_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    draw(tmp_path / "shapes")
    (tmp_path / "shapes.toml").write_text(block(PAGE, "toml", "[network]"))

    found = shell(block(PAGE, "bash", "maskery data check"), tmp_path)
    assert "disc" in found
    assert shell(block(PAGE, "bash", "maskery train"), tmp_path).strip() == "runs/shapes"
    assert not (tmp_path / "runs" / "shapes" / "model").exists()
    shell(block(PAGE, "bash", "maskery export"), tmp_path)

    card = load_card(tmp_path / "runs" / "shapes" / "model" / "model.toml")
    assert tuple(card.labels) == CLASSES
    assert card.quality is not None
    assert card.quality.miou is not None
    assert card.quality.miou > 0.7

    with serving(block(PAGE, "bash", "maskery serve"), tmp_path) as address:
        ask = block(PAGE, "bash", "curl").replace("http://127.0.0.1:8000", address)
        shell(ask, tmp_path)
    with Image.open(tmp_path / "mask.png") as answer, Image.open(tmp_path / "shapes" / "masks" / "04.png") as truth:
        assert answer.size == truth.size
        confusion = Confusion(len(CLASSES))
        confusion.add(np.asarray(truth), np.asarray(answer))
    assert quality(confusion, CLASSES).miou > 0.7
