"""Runs of a toy: they learn, stop, go on, and end the same."""

from pathlib import Path

import pytest
import torch

from maskery.core.errors import TrainingError
from maskery.training import checkpoint
from maskery.training.detection.detection_run import DetectionRun
from tests.training.detection.detection_toys import toy_recipe, write_encoder, write_pictures


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_pictures(tmp_path)
    write_encoder(tmp_path / "encoder.onnx")
    return tmp_path


def said(text: str) -> None:
    assert text.startswith("step ")


def test_a_run_learns(root: Path) -> None:
    run = DetectionRun(toy_recipe(root, epochs=20, rate=2e-2), root / "run", said)
    before = run.step(run._order(0)[:3])
    run.train()
    after = run.step(run._order(0)[:3])
    assert after["iou"] > before["iou"] + 0.2
    assert len((root / "run" / "log.jsonl").read_text().splitlines()) == 20


def test_a_stopped_run_goes_on_to_the_same_weights(root: Path) -> None:
    whole = DetectionRun(toy_recipe(root), root / "whole", said)
    assert not whole.resume()
    whole.train()
    first = DetectionRun(toy_recipe(root), root / "parts", said)
    batch = first.recipe.optimiser.batch
    for step in range(first.steps_an_epoch):
        first.step(first._order(0)[step * batch :][:batch])
    checkpoint.save(first.checkpoint_path, first.state())
    second = DetectionRun(toy_recipe(root), root / "parts", said)
    assert second.resume()
    second.train()
    assert second.steps == whole.steps == second.total_steps
    for one, other in zip(whole.result().parameters(), second.result().parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_rate_rises_holds_and_falls(root: Path) -> None:
    run = DetectionRun(toy_recipe(root, epochs=4, rate=1e-2, rise=2), root / "run", said)
    rates = [run.rate_at(step) for step in range(run.total_steps)]
    assert rates == pytest.approx([5e-3, 1e-2, 1e-2, 1e-2, 1e-2, 1e-2, 1e-2, 5e-3])


def test_a_run_of_another_recipe_is_refused(root: Path) -> None:
    run = DetectionRun(toy_recipe(root), root / "run", said)
    run.train()
    with pytest.raises(TrainingError, match="another recipe"):
        DetectionRun(toy_recipe(root, rate=1e-3), root / "run", said).resume()
    assert DetectionRun(toy_recipe(root, epochs=9), root / "run", said).resume()


def test_a_loss_that_is_not_finite_stops_the_run(root: Path) -> None:
    run = DetectionRun(toy_recipe(root), root / "run", said)
    with torch.no_grad():
        next(run.head.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match="The loss of step 0 is nan"):
        run.train()
