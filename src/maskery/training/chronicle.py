"""What a run tells and writes down: lines while it works, ``log.jsonl``, curves, and what it sees on validation."""

import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from maskery.training import logbook
from maskery.training.curves import draw_curves
from maskery.training.jobs import Job, Prepare
from maskery.training.logbook import Entry
from maskery.training.nets.base import Net
from maskery.training.plan import Epoch, validations
from maskery.training.progress import Say, duration
from maskery.training.recipe import Recipe
from maskery.training.run_files import sheet_path, writing

SMOOTHED = 20
"""The loss of the progress line is the mean of so many steps."""


class Chronicle:
    """Of the run in ``folder``. ``say`` gets what stays, ``tick`` where the run stands, at every step."""

    def __init__(self, folder: Path, say: Say, tick: Say, job: Job, recipe: Recipe, plan: Sequence[Epoch]) -> None:
        self.folder, self.say, self.tick = folder, say, tick
        self.job, self.recipe, self.plan = job, recipe, plan
        self.score, self.validation_seconds = "", 0.0

    def open(self, facts: Entry) -> None:
        """Write down under which settings the run starts. Raises ``TrainingError`` when the folder cannot."""
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        of_job = {"pictures": self.job.pictures, "labels": self.job.labels, "seed": self.recipe.seed}
        settings = logbook.versions() | facts | of_job | {"recipe": msgspec.to_builtins(self.recipe)}
        logbook.append(self.folder, {"settings": settings})
        for entry in logbook.epochs(self.folder):
            self._keep_score(entry)

    def has(self, epoch: int) -> bool:
        """Whether the log has the line of ``epoch`` (1 for the first)."""
        return any(entry["epoch"] == epoch for entry in logbook.epochs(self.folder))

    def step(self, epoch: int, step: int, losses: Sequence[float], seconds: float) -> None:
        """``step`` steps of ``epoch`` (0 for the first) are done, in so many seconds, with these losses."""
        now, total = self.plan[epoch], len(self.plan)
        behind = now.cost * step / now.steps
        ahead = sum(other.cost for other in self.plan[epoch:]) - behind
        left = seconds * ahead / behind + validations(epoch, total) * self.validation_seconds
        speed = step * now.crops / now.steps / seconds
        self.tick(
            f"epoch {epoch + 1}/{total}, step {step}/{now.steps}, loss {np.mean(losses[-SMOOTHED:]):.3f}, "
            f"{self.score}{speed:.1f} images/s, {duration(left)} left"
        )

    def close(self, entry: Entry, net: Net | None, prepare: Prepare) -> None:
        """Say how an epoch went and write it down; with ``net``, its averaged network, after a validation."""
        if net is not None:
            started = time.monotonic()
            entry = entry | self.job.validate(net, prepare)
            self.validation_seconds = time.monotonic() - started
            self._keep_score(entry)
            path = sheet_path(self.folder, entry["epoch"])
            with writing(path):
                self.job.sheet(net, prepare).save(path)
        numbers = ", ".join(f"{key} {value:.4g}" for key, value in entry.items() if key != "epoch")
        self.say(f"epoch {entry['epoch']}/{len(self.plan)}, {numbers}")
        logbook.append(self.folder, entry)
        if net is not None:
            draw_curves(self.folder, self.job.score)

    def _keep_score(self, entry: Entry) -> None:
        if self.job.score in entry:
            self.score = f"{self.job.score} {entry[self.job.score]:.3f}, "
