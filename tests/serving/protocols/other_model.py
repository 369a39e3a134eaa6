"""Models for tests, made of the built-in one."""

import re
import shutil
from pathlib import Path

from maskery.models.catalog import builtin


def other_labels(folder: Path) -> Path:
    """The built-in model as "other", which says human instead of person."""
    target = folder / "other"
    shutil.copytree(builtin()["everyday"], target)
    text = re.sub(r"\bperson\b", "human", (target / "model.toml").read_text())
    (target / "model.toml").write_text(text.replace('name = "everyday"', 'name = "other"', 1))
    return target
