"""How much work a run is: the steps of every epoch, and what they cost beside each other."""

from collections.abc import Sequence
from dataclasses import dataclass

from maskery.errors import ConfigError
from maskery.training.crops import crop_of
from maskery.training.jobs import Job
from maskery.training.recipe import Recipe

VALIDATE_EVERY = 3
"""A validation comes after so many epochs, and after the last."""


@dataclass(frozen=True)
class Epoch:
    """``cost``: the pixels of all its crops, to which the time is proportional."""

    steps: int
    crops: int
    side: int

    @property
    def cost(self) -> float:
        return float(self.crops * self.side**2)


def plan(recipe: Recipe, job: Job) -> Sequence[Epoch]:
    """All epochs. Raises ``ConfigError`` when not one step is to be made."""
    settings, epochs = recipe.optimiser, []
    for epoch in range(settings.total_epochs):
        job.stream.start_epoch(epoch)
        steps = len(job.stream) // settings.batch
        epochs.append(Epoch(steps, steps * settings.batch, crop_of(epoch, settings.epochs, recipe.data)))
    if not any(epoch.steps for epoch in epochs[: settings.epochs]):
        raise ConfigError("The data set is smaller than one batch.", "Lower optimiser.batch, or raise data.passes.")
    return epochs


def validations(after: int, total: int) -> int:
    """How many validations come after ``after`` of ``total`` epochs."""
    return -(-total // VALIDATE_EVERY) - after // VALIDATE_EVERY
