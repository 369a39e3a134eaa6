"""What a run prints and writes while it works: lines of progress, ``log.jsonl`` and curves."""

import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import PIL
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from maskery.core.files import writing
from maskery.core.progress import Say
from maskery.core.version import __version__
from maskery.training import distributed
from maskery.training.checkpoint import CURE, CURVES_NAME, LOG_NAME, sheet_path
from maskery.training.networks.base import Net
from maskery.training.recipe import Recipe
from maskery.training.schedule import Epoch, validations
from maskery.training.training_task import Prepare, TrainingTask


def duration(seconds: float) -> str:
    """``45 s``, ``3 min 05 s`` or ``2 h 07 min``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, over = divmod(minutes, 60)
    if hours:
        return f"{hours} h {over:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def amount(bytes: int) -> str:
    """``512 MB`` or ``1.5 GB``."""
    return f"{bytes / 1e9:.1f} GB" if bytes >= 1e9 else f"{bytes / 1e6:.1f} MB"


def draw_curves(folder: Path, score: str) -> None:
    """Draw the log of the run in ``folder``. Raises ``OutputError`` when the disk refuses."""
    entries = epochs(folder)
    figure = Figure(figsize=(7, 7), dpi=100, layout="constrained")
    for plot, key in zip(figure.subplots(3, 1, sharex=True), ("loss", "rate", score), strict=True):
        known = [(entry["epoch"], entry[key]) for entry in entries if key in entry]
        plot.plot([x for x, _ in known], [y for _, y in known], marker="o", markersize=3)
        plot.set_ylabel(key)
        plot.grid(alpha=0.3)
    plot.set_xlabel("epoch")
    plot.xaxis.set_major_locator(MaxNLocator(integer=True))
    path = folder / CURVES_NAME
    with writing(path, CURE):
        figure.savefig(path)


Entry = dict[str, Any]


def append(folder: Path, entry: Entry) -> None:
    """Raises ``OutputError`` when the disk refuses."""
    path = folder / LOG_NAME
    with writing(path, CURE), path.open("a+b") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
        torn = file.read(1) not in (b"", b"\n")  # by a kill while the last line was written
        file.write(b"\n" * torn + json.dumps(entry).encode() + b"\n")


def read(folder: Path) -> list[Entry]:
    """All lines; one that a kill has torn is left out."""
    path = folder / LOG_NAME
    return [entry for line in path.read_text("utf-8").splitlines() if (entry := _parse(line))] if path.exists() else []


def _parse(line: str) -> Entry | None:
    try:
        entry: Entry = json.loads(line)
    except json.JSONDecodeError:
        return None
    return entry


def epochs(folder: Path) -> list[Entry]:
    """The latest line of every epoch, in order."""
    latest = {entry["epoch"]: entry for entry in read(folder) if "epoch" in entry}
    return [latest[epoch] for epoch in sorted(latest)]


def settings(folder: Path) -> Entry:
    """Those of the latest start; empty where the log does not say."""
    return next((entry["settings"] for entry in reversed(read(folder)) if "settings" in entry), {})


def data_root(folder: Path) -> Path | None:
    """The folder of the data sets of the latest start; None where the log does not say."""
    root = settings(folder).get("data_root")
    return Path(root) if root else None


def versions() -> Entry:
    """What the numbers of a run may depend on beside its recipe."""
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "maskery": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        "machine": platform.machine(),
        "processes": distributed.count(),
    }


SMOOTHED = 20
"""The loss of the progress line is the mean of so many steps."""


class RunLog:
    """The log of the run in ``folder``. ``say`` gets what stays, ``update`` where the run stands, at every step."""

    def __init__(
        self, folder: Path, say: Say, update: Say, job: TrainingTask, recipe: Recipe, plan: Sequence[Epoch]
    ) -> None:
        self.folder, self.say, self.update = folder, say, update
        self.job, self.recipe, self.plan = job, recipe, plan
        self.score, self.validation_seconds = "", 0.0

    def open(self, facts: Entry) -> None:
        """Write down under which settings the run starts. Raises ``OutputError`` when the folder cannot."""
        with writing(self.folder, CURE):
            self.folder.mkdir(parents=True, exist_ok=True)
        of_job = {"pictures": self.job.pictures, "labels": self.job.labels, "seed": self.recipe.seed}
        settings = versions() | facts | of_job | {"recipe": msgspec.to_builtins(self.recipe)}
        append(self.folder, {"settings": settings})
        for entry in epochs(self.folder):
            self._keep_score(entry)

    def has(self, epoch: int) -> bool:
        """Whether the log has the line of ``epoch`` (1 for the first)."""
        return any(entry["epoch"] == epoch for entry in epochs(self.folder))

    def step(self, epoch: int, step: int, losses: Sequence[float], seconds: float) -> None:
        """``step`` steps of ``epoch`` (0 for the first) are done, in so many seconds, with these losses."""
        now, total = self.plan[epoch], len(self.plan)
        behind = now.cost * step / now.steps
        ahead = sum(other.cost for other in self.plan[epoch:]) - behind
        left = seconds * ahead / behind + validations(epoch, total) * self.validation_seconds
        speed = step * now.crops / now.steps / seconds
        self.update(
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
            with writing(path, CURE):
                self.job.sheet(net, prepare).save(path)
        numbers = ", ".join(f"{key} {value:.4g}" for key, value in entry.items() if key != "epoch")
        self.say(f"epoch {entry['epoch']}/{len(self.plan)}, {numbers}")
        append(self.folder, entry)
        if net is not None:
            draw_curves(self.folder, self.job.score)

    def _keep_score(self, entry: Entry) -> None:
        if self.job.score in entry:
            self.score = f"{self.job.score} {entry[self.job.score]:.3f}, "
