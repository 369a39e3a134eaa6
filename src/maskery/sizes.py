"""Sizes in bytes, as people write them."""

import re

from maskery.errors import ConfigError

UNITS = {
    "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40,
}  # fmt: skip


def parse_bytes(name: str, text: str) -> int:
    """Bytes: 512_000_000 of "512MB", 1_610_612_736 of "1.5GiB". Raises ``ConfigError`` naming the setting ``name``."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]I?B|B)", text.strip(), re.IGNORECASE | re.ASCII)
    if not found:
        raise ConfigError(f"{name} is {text!r}.", "Write a number with its unit: 512MB, 600MiB, 1.5GiB.")
    return int(float(found[1]) * UNITS[found[2].upper()])
