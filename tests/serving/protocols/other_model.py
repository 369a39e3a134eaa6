"""Models for tests, made of the built-in one."""

import re
import shutil
from pathlib import Path

from maskery.models.catalog import builtin


def quick(folder: Path) -> Path:
    """The built-in model under its own name, at work on 32 pixels instead of 400: for tests of what is around it."""
    target = folder / "everyday"
    shutil.copytree(builtin()["everyday"], target)
    text = re.sub(r"\n\[check.*?(?=\n\[|\Z)", "", (target / "model.toml").read_text(), flags=re.DOTALL)
    (target / "model.toml").write_text(text.replace("\nside = 400\n", "\nside = 32\n", 1))
    return target


def other_labels(folder: Path) -> Path:
    """The built-in model as "other", which says human instead of person."""
    target = folder / "other"
    shutil.copytree(builtin()["everyday"], target)
    text = re.sub(r"\bperson\b", "human", (target / "model.toml").read_text())
    (target / "model.toml").write_text(text.replace('name = "everyday"', 'name = "other"', 1))
    return target
