"""A toy trained by the command: its model is opened, finds its squares, and is measured."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from maskery.cli.main import cli
from maskery.core.errors import TrainingError
from maskery.core.plan import RunOptions
from maskery.core.result.capabilities import HasInstances, expect
from maskery.core.settings import load_settings
from maskery.evaluation.segmentation import open_picture
from maskery.models.segmenter import open_segmenter
from maskery.training.detection.detection_export import export_head
from maskery.training.detection.detection_head import DetectionHead
from tests.training.detection.detection_toys import SIDE, write_encoder, write_pictures

RECIPE = """
task = "detection"
name = "toy-detector"
version = "1"
seed = 3
[data]
root = "{root}"
boxes = "{root}/boxes.jsonl"
labels = ["bright", "dark"]
side = 64
views = 2
[encoder]
file = "{root}/encoder.onnx"
[head]
fine = 8
coarse = 8
[optimiser]
rate = 2e-2
batch = 3
epochs = 40
rise = 2
ema = 0.5
[publish]
description = "Squares."
licence = "MIT"
commercial_use = true
"""


def test_from_the_recipe_to_boxes(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    write_encoder(tmp_path / "encoder.onnx")
    (tmp_path / "toy.toml").write_text(RECIPE.format(root=tmp_path))
    arguments = ["train", str(tmp_path / "toy.toml"), "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == str(tmp_path / "run" / "model")
    segmenter = open_segmenter(f"{tmp_path / 'run' / 'model'}/", load_settings())
    assert (segmenter.card.task, segmenter.card.labels) == ("detection", ["bright", "dark"])
    assert segmenter.card.training["steps"] == 80
    for i, line in enumerate((tmp_path / "boxes.jsonl").read_text().splitlines()):
        result = segmenter.model.run(open_picture(tmp_path / f"{i}.png"), RunOptions(score=0.05))
        best = expect(result, HasInstances).instances[0]
        box = np.array(json.loads(line)["boxes"][0])
        assert best.class_id == box[4]
        assert np.abs(np.array(best.box_xyxy) - box[:4]).max() < 8
    again = CliRunner().invoke(cli, [*arguments, "--no-export"])
    assert (again.exit_code, again.stdout.splitlines()[-1]) == (0, str(tmp_path / "run"))


def test_options_that_cannot_be_are_refused(tmp_path: Path) -> None:
    (tmp_path / "toy.toml").write_text(RECIPE.format(root=tmp_path))
    done = CliRunner().invoke(cli, ["train", str(tmp_path / "toy.toml"), "--dry-run"])
    assert "trained on the CPU" in str(done.exception)


def test_weights_that_are_not_finite_are_not_exported(tmp_path: Path) -> None:
    Image.new("RGB", (SIDE, SIDE)).save(tmp_path / "a.png")
    head = DetectionHead((7, 5), 2, 8, 8)
    head.scores[0].bias.data.fill_(float("nan"))  # type: ignore[union-attr, operator]
    with pytest.raises(TrainingError, match="differ by nan"):
        export_head(head, (4, 3, 5), tmp_path / "head.onnx")
