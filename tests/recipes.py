"""The commands and programs of the documentation, run as they stand there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def block(page: Path, language: str, containing: str) -> str:
    """The page's fenced block of this language that contains this text."""
    blocks = re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)
    return next(text for text in blocks if containing in text)


def shell(script: str, folder: Path) -> str:
    """What the script prints in ``folder``; every command must succeed, and curl get no error. Skips without curl."""
    if "curl " in script and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return _printed(["bash", "-euo", "pipefail", "-c", script.replace("curl ", "curl --fail -sS ")], folder, PATH=path)


def python(program: str, folder: Path) -> str:
    """What the program prints in ``folder``."""
    return _printed([sys.executable, "-c", program], folder)


def _printed(command: list[str], folder: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
