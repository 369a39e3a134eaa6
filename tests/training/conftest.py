"""A data set and a recipe that train in seconds: red squares on grey are class 1, blue ones class 2."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskery.training.loop import TrainingRun
from maskery.training.recipe import load_recipe

RECIPE = """
name = "squares"
version = "1"
seed = 3
[data]
root = "{root}"
labels = "voc"
crop = 64
scale = [0.8, 1.25]
repeat_threshold = 0.3
[[data.train]]
path = "squares"
split = "train"
[data.validate]
path = "squares"
split = "val"
[network]
name = "light_decoder"
width = 16
frozen_blocks = 1
[optimiser]
rate = 4e-3
batch = 4
epochs = 2
hold_epochs = 1
hold_rate = 1e-3
ema = 0.8
[loss]
dice = 0.2
[publish]
description = "Squares."
licence = "Apache-2.0"
commercial_use = true
side = 64
"""

PICTURES = """
name = "patches"
version = "1"
seed = 5
[data]
root = "{root}"
crop = 32
cut_mix = 0.5
[[data.train]]
path = "patches"
split = "train"
[data.validate]
path = "patches"
split = "val"
[network]
name = "classifier"
last_stage = 4
[optimiser]
batch = 4
epochs = 2
precision = "mixed"
[publish]
description = "Red and blue."
licence = "Apache-2.0"
commercial_use = true
resize = "stretch"
side = 32
"""


@pytest.fixture(scope="session")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 4)):
        for kind in ("images", "masks"):
            (root / "squares" / kind / split).mkdir(parents=True)
        for i in range(count):
            image = np.full((80, 96, 3), 120, np.uint8)
            mask = np.zeros((80, 96), np.uint8)
            y, x = rng.integers(0, 30, 2)
            image[y : y + 40, x : x + 40] = [200, 20, 20] if i % 2 else [20, 20, 200]
            mask[y : y + 40, x : x + 40] = 1 if i % 2 else 2
            Image.fromarray(image).save(root / "squares" / "images" / split / f"{i}.png")
            Image.fromarray(mask).save(root / "squares" / "masks" / split / f"{i}.png")
    path = root / "squares.toml"
    path.write_text(RECIPE.format(root=root))
    return path


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe of a classifier in mixed precision: what is red, and what is blue."""
    root = tmp_path_factory.mktemp("patches")
    for split, count in (("train", 8), ("val", 3)):
        for name, colour in (("red", (200, 20, 20)), ("blue", (20, 20, 200))):
            (root / "patches" / split / name).mkdir(parents=True)
            for i in range(count):
                Image.new("RGB", (32, 32), colour).save(root / "patches" / split / name / f"{i}.png")
    path = root / "patches.toml"
    path.write_text(PICTURES.format(root=root))
    return path


def command(recipe: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "maskery", "train", str(recipe), "--out", str(out)]


@pytest.fixture(scope="session")
def trained(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run, with its model."""
    out = tmp_path_factory.mktemp("run")
    done = subprocess.run(command(recipe, out), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert b"3/3" in done.stderr
    assert done.stdout.decode().strip() == str(out / "model")
    return out


@dataclass(frozen=True)
class Finished:
    """A run of this process, without a model, and what it said."""

    run: TrainingRun
    said: list[str]


@pytest.fixture(scope="session")
def finished(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """An uninterrupted run on the processor."""
    settings, said = load_recipe(recipe), list[str]()
    run = TrainingRun(
        settings, Path(settings.data.root), tmp_path_factory.mktemp("finished"), said.append, "cpu", said.append
    )
    run.train()
    return Finished(run, said)
