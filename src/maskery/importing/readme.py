"""The licence that a README.md of the Hub says in its front matter: ``key: value`` lines between ``---``."""

import re
from pathlib import Path

LIMIT = 1 << 20


def licence_said(folder: Path) -> str | None:
    """The licence's name; of "other" its ``license_name``. None without a README, front matter, or a licence in it."""
    values = _front_matter(folder / "README.md")
    name = values.get("license", "")
    if name.lower() in ("other", "unknown"):
        name = values.get("license_name", "")
    return name or None


def _front_matter(path: Path) -> dict[str, str]:
    """The plain values of the first level; lists and blocks are not read."""
    try:
        text = path.read_bytes()[:LIMIT].decode("utf-8", "replace").lstrip("\ufeff")
    except OSError:
        return {}
    match = re.match(r"---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|$)", text, re.DOTALL)
    lines = match[1].splitlines() if match else []
    pairs = [re.match(r"([A-Za-z_]+):[ \t]+([^#\[\]{}|>]+?)[ \t]*(?:#.*)?$", line) for line in lines]
    return {pair[1]: pair[2].strip("'\"") for pair in pairs if pair}
