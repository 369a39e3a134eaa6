"""Crops that grow over the schedule's epochs, and the rate of every step of every schedule."""

from pathlib import Path

import pytest
import torch

from maskery.core.errors import ConfigError
from maskery.training.crops import crop_of
from maskery.training.recipe import Data, OptimiserSpec, Recipe, TrainingSource, load_recipe
from maskery.training.schedule import build_schedule, plan
from maskery.training.tasks import open_job


def grown(recipe: Path, tmp_path: Path, hold: int) -> Recipe:
    text = recipe.read_text().replace("crop = 64", "crop = 128\ncrop_start = 64")
    text = text.replace("\nepochs = 2", "\nepochs = 3").replace("hold_epochs = 1", f"hold_epochs = {hold}")
    changed = tmp_path / f"hold-{hold}.toml"
    changed.write_text(text)
    return load_recipe(changed)


def test_crops_grow_over_the_schedule_and_epochs_added_behind_it_change_nothing_before(
    recipe: Path, tmp_path: Path
) -> None:
    sides = []
    for hold in (0, 2):
        wanted = grown(recipe, tmp_path, hold)
        job = open_job(wanted, Path(wanted.data.root))
        sides.append([epoch.side for epoch in plan(wanted, job.stream)])
        job.stream.start_epoch(1)
        image, mask = job.stream[0]
        assert (image.shape, mask.shape) == ((3, 96, 96), (48, 48))
    assert sides == [[64, 96, 128], [64, 96, 128, 128, 128]]


def test_steps_are_even_and_multiples_of_32() -> None:
    source = TrainingSource(path="x")
    data = Data(train=[source], validate=source, crop=256, crop_start=128)
    assert [crop_of(epoch, 5, data) for epoch in range(6)] == [128, 160, 192, 224, 256, 256]
    assert crop_of(0, 1, data) == 256


@pytest.mark.parametrize("schedule", ["one-cycle", "poly"])
@pytest.mark.parametrize("warmup", [0.0, 0.05, 0.1, 0.2, 1 / 3, 0.5, 0.9, 1.0])
def test_every_number_of_steps_has_rates_up_to_the_peak(schedule: str, warmup: float) -> None:
    for steps in (*range(1, 41), 100):
        weight = torch.nn.Parameter(torch.zeros(1))
        optimiser = torch.optim.AdamW([weight], lr=0.01)
        settings = OptimiserSpec(schedule=schedule, rate=0.01, warmup=warmup)  # type: ignore[arg-type]
        found = build_schedule(optimiser, settings, steps)
        rates = []
        for _ in range(steps):
            rates.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            found.step()
        assert all(0 <= rate <= 0.01 * (1 + 1e-6) for rate in rates), (steps, rates)
        assert max(rates) > 0.004, (steps, rates)  # one of them is near the peak


def test_an_epoch_without_a_step_is_refused_before_the_first_step(recipe: Path, tmp_path: Path) -> None:
    changed = tmp_path / "r.toml"
    changed.write_text(recipe.read_text().replace("batch = 4", "batch = 400"))
    settings = load_recipe(changed)
    job = open_job(settings, Path(settings.data.root))
    with pytest.raises(ConfigError, match=r"smaller than one batch: an epoch has \d+ crops, a batch 400\. Lower"):
        plan(settings, job.stream)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("batch = 4", "batch = 4\nwarmup = 1.5", "optimiser.warmup"),
        ("batch = 4", "batch = 4\nwarmup = -0.1", "optimiser.warmup"),
        ("rate = 4e-3", "rate = 0.0", "optimiser.rate"),
        ("ema = 0.8", "ema = 1.0", "optimiser.ema"),
        ("crop = 64", "crop = 64\nmask_stride = 0", "data.mask_stride"),
        ("crop = 64", "crop = 0", "data.crop"),
        ("width = 16", "width = 0", "network.width"),
        ('labels = "voc"', 'labels = ["background", "box", "box"]', "Two classes are called 'box'"),
        ('labels = "voc"', 'labels = ["background", " "]', "name of class 1 is blank"),
    ],
)
def test_numbers_and_names_that_no_training_can_use_are_refused(
    recipe: Path, tmp_path: Path, old: str, new: str, key: str
) -> None:
    changed = tmp_path / "r.toml"
    changed.write_text(recipe.read_text().replace(old, new))
    with pytest.raises(ConfigError, match=key):
        load_recipe(changed)
