"""What the numbers were measured on, without names of hosts or people."""

import datetime
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from maskery.core.card import ModelCard

PACKAGES = ("maskery", "onnxruntime", "numpy", "pillow", "msgspec", "click", "starlette", "uvicorn", "httptools")
EXTRAS = ("ai-edge-litert",)


def facts(card: ModelCard) -> list[tuple[str, str]]:
    """(name, value) of the machine, the software and the built-in model."""
    return [
        ("date", datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")),
        ("processor", f"{_field('/proc/cpuinfo', 'model name')}, {cores()} cores"),
        ("memory", f"{int(_field('/proc/meminfo', 'MemTotal').split()[0]) * 1024 / 1e9:.1f} GB"),
        ("system", f"{_system()}, Linux {'.'.join(platform.release().split('.')[:2])}"),
        ("Python", f"{platform.python_implementation()} {platform.python_version()}"),
        ("packages", ", ".join(_versions())),
        ("model", f"{card.name} {card.version}, sha256 {card.sha256[:12]}..., {card.bytes / 1e6:.1f} MB"),
        ("load average at the start", f"{os.getloadavg()[0]:.1f}"),
    ]


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


def warnings() -> list[str]:
    """What spoils the numbers from the outside."""
    if os.getloadavg()[0] <= cores() / 4:
        return []
    return ["Other work was running on this machine: read the times as upper bounds."]


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown 0"


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def _versions() -> list[str]:
    found = []
    for name in PACKAGES + EXTRAS:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            if name in PACKAGES:
                raise
    return found
