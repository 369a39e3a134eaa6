"""Crops that grow: over the schedule's epochs, not over those that hold the rate."""

from pathlib import Path

from maskery.training.crops import crop_of
from maskery.training.recipe import Data, Recipe, TrainingSource, load_recipe
from maskery.training.schedule import plan
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
