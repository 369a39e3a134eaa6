"""The models that come with the package: cards of what can be pulled, folders of what is built in; and
the terms of licences by their names.
"""

import re
from functools import cache
from pathlib import Path

from maskery.core.card import CARD_NAME, Licence, ModelCard
from maskery.models.card_toml import load_card

FOLDER = Path(__file__).parent

OPEN = {
    name.lower(): name
    for name in ("MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "CC0-1.0", "CC-BY-4.0", "Unlicense")
}
COPYLEFT = re.compile(r"(?i)(a?gpl|lgpl|mpl|eupl|osl)\b")


@cache
def catalog() -> dict[str, ModelCard]:
    """Name -> card of every model that can be pulled, by name. Shared: do not change it."""
    cards = [load_card(path) for path in sorted((FOLDER / "catalog").glob("*.toml"))]
    return {card.name: card for card in cards}


@cache
def builtin() -> dict[str, Path]:
    """Name -> folder (card and weights) of every model inside the package, by name. Shared: do not change it."""
    return {path.parent.name: path.parent for path in sorted((FOLDER / "builtin").glob(f"*/{CARD_NAME}"))}


def licence_of(name: str, note: str = "") -> Licence:
    """The terms of a licence by its SPDX name, in any case; one that is not known forbids commercial use."""
    copyleft = COPYLEFT.match(name) is not None
    spelt = OPEN.get(name.lower(), name)
    return Licence(name=spelt, commercial_use=copyleft or name.lower() in OPEN, copyleft=copyleft, note=note)
