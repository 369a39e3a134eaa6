"""The peers' own virtual environment, so that Maskery's stays free of what they need; kept between runs."""

import hashlib
import subprocess
import sys
import tomllib
import venv
from importlib.metadata import distributions, version
from pathlib import Path

FOLDER = ".bench-venv"
GROUP = "bench"
SHARED = ("numpy", "pillow", "onnxruntime")
"""What the peers run in the same version as Maskery does."""
PEERS = ("flask", "litserve", "bentoml")
_STAMP = "maskery-benchmark"


def ensure(repository: Path) -> Path:
    """The environment's folder, made where it is not there as wanted; needs a package index for that."""
    folder, wanted = repository / FOLDER, _wanted(repository)
    if not ready(repository):
        venv.create(folder, clear=True, with_pip=False)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(folder / "bin" / "python")]
        subprocess.run([*pip, "install", "-qq", *wanted], check=True)
        (folder / _STAMP).write_text(_fingerprint(wanted))
    return folder


def ready(repository: Path) -> bool:
    """Whether the environment is there, with what is wanted now."""
    stamp = repository / FOLDER / _STAMP
    return stamp.is_file() and stamp.read_text() == _fingerprint(_wanted(repository))


def versions(repository: Path) -> list[tuple[str, str]]:
    """(name, version) of the peers and of what they stand on."""
    (packages,) = (repository / FOLDER).glob("lib/python*/site-packages")
    found = {d.metadata["Name"].lower(): d.version for d in distributions(path=[str(packages)])}
    return [(name, found[name]) for name in (*PEERS, "werkzeug", "fastapi", "starlette", "uvicorn", *SHARED)]


def _wanted(repository: Path) -> list[str]:
    groups = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    return [*groups[GROUP], *(f"{name}=={version(name)}" for name in SHARED)]


def _fingerprint(wanted: list[str]) -> str:
    return hashlib.sha256(" ".join([sys.version, *wanted]).encode()).hexdigest()
