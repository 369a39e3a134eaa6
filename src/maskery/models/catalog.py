"""The models that come with the package: cards of what can be pulled, folders of what is built in."""

from functools import cache
from pathlib import Path

from maskery.core.card import CARD_NAME, ModelCard
from maskery.models.card_toml import load_card

FOLDER = Path(__file__).parent


@cache
def catalog() -> dict[str, ModelCard]:
    """Name -> card of every model that can be pulled, by name. Shared: do not change it."""
    cards = [load_card(path) for path in sorted((FOLDER / "catalog").glob("*.toml"))]
    return {card.name: card for card in cards}


@cache
def builtin() -> dict[str, Path]:
    """Name -> folder (card and weights) of every model inside the package, by name. Shared: do not change it."""
    return {path.parent.name: path.parent for path in sorted((FOLDER / "builtin").glob(f"*/{CARD_NAME}"))}
