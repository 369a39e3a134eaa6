"""``curves.png``: loss, learning rate and score over the epochs of a run."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from maskery.training import logbook
from maskery.training.run_files import CURVES_NAME, writing


def draw_curves(folder: Path, score: str) -> None:
    """Draw the log of the run in ``folder``. Raises ``TrainingError`` when the disk refuses."""
    entries = logbook.epochs(folder)
    figure = Figure(figsize=(7, 7), dpi=100, layout="constrained")
    for plot, key in zip(figure.subplots(3, 1, sharex=True), ("loss", "rate", score), strict=True):
        known = [(entry["epoch"], entry[key]) for entry in entries if key in entry]
        plot.plot([x for x, _ in known], [y for _, y in known], marker="o", markersize=3)
        plot.set_ylabel(key)
        plot.grid(alpha=0.3)
    plot.set_xlabel("epoch")
    plot.xaxis.set_major_locator(MaxNLocator(integer=True))
    path = folder / CURVES_NAME
    with writing(path):
        figure.savefig(path)
