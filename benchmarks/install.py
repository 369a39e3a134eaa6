"""Part 1: what an installation weighs."""

import subprocess
import tempfile
import time
import venv
from pathlib import Path

from benchmarks.report import Check, Section, Table

TITLE = "Install"
LIMIT_MB = 350.0
EXTRAS = ("", "[tflite,huge]")
_NOT_OURS = ("pip", "setuptools", "_distutils_hack", "pkg_resources", "distutils")


def measure(repository: Path) -> Section:
    """Installs from ``repository`` into a fresh environment; needs a package index."""
    rows, checks = [], []
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        (packages,) = Path(folder).glob("lib/python*/site-packages")
        for extra in EXTRAS:
            seconds = _install(Path(folder), f"{repository}{extra}")
            sizes = sizes_mb(packages)
            total = sum(sizes.values())
            name = f"maskery{extra}"
            checks.append(Check(f"{name} on disk", total, LIMIT_MB, "MB"))
            heaviest = sorted(sizes.items(), key=lambda item: -item[1])[:4]
            parts = ", ".join(f"{package} {size:.0f}" for package, size in heaviest)
            rows.append((f"`{name}`", f"{total:.0f}", f"{LIMIT_MB:g}", checks[-1].verdict, f"{seconds:.0f}", parts))
    header = ("installed", "MB", "limit", "", "seconds", "the heaviest, MB")
    how = (
        "A fresh virtual environment; `pip install .`, then `pip install .[tflite,huge]`, as `make serve` does, on top "
        "of it. Blocks on disk of site-packages with its compiled files, without pip and setuptools. The seconds "
        "depend on the network and on pip's cache, and those of the second row come on top."
    )
    return Section(TITLE, how, [("", Table(header, rows))], checks)


def _install(folder: Path, what: str) -> float:
    started = time.perf_counter()
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", what], check=True)
    return time.perf_counter() - started


def sizes_mb(packages: Path) -> dict[str, float]:
    """MB of blocks on disk by top-level name; ``numpy.libs`` counts for ``numpy``."""
    sizes: dict[str, float] = {}
    for entry in packages.iterdir():
        name = entry.name.split("-")[0].split(".")[0]
        if name in _NOT_OURS:
            continue
        files = entry.rglob("*") if entry.is_dir() else [entry]
        sizes[name] = sizes.get(name, 0.0) + sum(f.lstat().st_blocks * 512 for f in files if f.is_file()) / 1e6
    return sizes
