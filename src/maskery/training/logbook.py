"""``log.jsonl``: a line of settings at every start, then a line an epoch."""

import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch

from maskery import __version__
from maskery.training import processes
from maskery.training.run_files import LOG_NAME, writing

Entry = dict[str, Any]


def append(folder: Path, entry: Entry) -> None:
    """Raises ``TrainingError`` when the disk refuses."""
    path = folder / LOG_NAME
    with writing(path), path.open("a+b") as file:
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
        "processes": processes.count(),
    }
