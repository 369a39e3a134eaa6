"""What a run leaves behind: the log, the curves, the sheet; and what it says before it starts."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskery.cli import main
from maskery.core.labels import voc_palette
from maskery.training import checkpoint, log
from maskery.training.contact_sheet import SIDE, label_sheet, mask_sheet
from maskery.training.log import RunLog, duration
from maskery.training.loop import TrainingRun
from maskery.training.recipe import load_recipe
from maskery.training.schedule import validations
from tests.training.conftest import Finished


@pytest.fixture
def run(finished: Finished) -> TrainingRun:
    return finished.run


def test_the_log_has_the_settings_and_a_line_an_epoch(run: TrainingRun, recipe: Path) -> None:
    first, *epochs = log.read(run.out)
    settings = first["settings"]
    assert settings["seed"] == 3
    assert settings["device"] == "cpu"
    assert settings["threads"] == run.threads
    assert settings["recipe"]["optimiser"]["rate"] == 4e-3
    assert {"maskery", "torch", "numpy", "python", "pillow"} <= settings.keys()
    assert log.data_root(run.out) == recipe.parent
    assert log.data_root(run.out / "nowhere") is None
    assert [entry["epoch"] for entry in epochs] == [1, 2, 3]
    assert all(entry["loss"] > 0 and entry["images_per_s"] > 0 for entry in epochs)
    assert epochs[-1]["rate"] == 1e-3  # held
    assert 0 <= epochs[-1]["miou"] <= 1


def test_the_line_says_where_the_run_stands(finished: Finished) -> None:
    step = next(text for text in finished.said if text.startswith("epoch 2/3, step 2/3"))
    assert ", loss " in step
    assert " images/s, " in step
    assert step.endswith("s left")
    assert any(text.startswith("epoch 3/3, loss ") and "miou" in text for text in finished.said)


def test_curves_and_sheet_are_pictures(run: TrainingRun) -> None:
    with Image.open(run.out / "curves.png") as curves:
        assert curves.size == (700, 700)
    with Image.open(run.out / "validation-003.png") as picture:
        sheet = picture.copy()
    # Four validation pictures of 96 x 80; the middle column is the truth, in the colours of VOC.
    assert sheet.size == (3 * SIDE + 12, 4 * 200 + 18)
    truth = {colour for _, colour in sheet.crop((SIDE + 6, 0, 2 * SIDE + 6, 200)).getcolors()}
    assert truth == {voc_palette()[0], voc_palette()[2]}


def test_sheets() -> None:
    ids = np.array([[0, 1], [255, 1]])
    sheet = mask_sheet([(Image.new("RGB", (2, 2), (9, 9, 9)), ids, 1 - np.minimum(ids, 1))], [(1, 2, 3), (4, 5, 6)])
    assert [sheet.getpixel((SIDE + 6 + x, y)) for y in (0, 239) for x in (0, 239)] == [
        (1, 2, 3),
        (4, 5, 6),
        (0, 0, 0),
        (4, 5, 6),
    ]
    assert sheet.getpixel((2 * SIDE + 12, 0)) == (4, 5, 6)
    grey = Image.new("RGB", (8, 8), (127,) * 3)
    right, wrong = (label_sheet([(grey, "cat", name)]) for name in ("cat", "dog"))
    assert any(r > g + 100 for _, (r, g, _) in wrong.getcolors())
    assert not any(r > g + 100 for _, (r, g, _) in right.getcolors())


def test_time_left_counts_the_steps_and_validations_ahead(run: TrainingRun) -> None:
    lines: list[str] = []
    run_log = RunLog(run.out, lines.append, lines.append, run.job, run.recipe, run.plan)
    run_log.validation_seconds = 100
    run_log.step(1, 3, [1.0], 60.0)
    assert lines[-1].endswith("0.2 images/s, 2 min 40 s left")
    assert [validations(after, 7) for after in range(7)] == [3, 3, 3, 2, 2, 2, 1]
    assert [duration(s) for s in (45.2, 185, 7620)] == ["45 s", "3 min 05 s", "2 h 07 min"]


def test_a_dry_run_prices_the_run_and_writes_nothing(
    run: TrainingRun, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from maskery.training.dry_run import estimate_cost

    settings = load_recipe(recipe)
    result = estimate_cost(TrainingRun(settings, Path(settings.data.root), tmp_path / "run", lambda text: None, "cpu"))
    stored = run.checkpoint_path.stat().st_size
    assert result.checkpoint_bytes == pytest.approx(stored, rel=1e-3)
    weights = checkpoint.load(run.checkpoint_path)["net"]
    assert result.parameters == sum(p.numel() for p in run.net.parameters()) < sum(w.numel() for w in weights.values())
    assert 0 < result.trained < result.parameters
    assert (result.epochs, result.crops) == (3, 12)
    assert 0.1 < result.seconds / run.seconds < 10
    assert result.peak_bytes > stored

    monkeypatch.setattr(sys, "argv", ["maskery", "train", str(recipe), "--out", str(tmp_path / "run"), "--dry-run"])
    main.cli.main(standalone_mode=False)
    written = capsys.readouterr()
    assert written.out == ""
    assert "for 3 epochs with their validations" in written.err
    assert list(tmp_path.iterdir()) == []
