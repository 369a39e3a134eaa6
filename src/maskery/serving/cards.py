"""Model cards as the API shows them."""

from typing import Any

import msgspec

from maskery.model_card import ModelCard


def public(card: ModelCard) -> dict[str, Any]:
    """The card as plain data; palette as "#rrggbb", one a label."""
    plain: dict[str, Any] = msgspec.to_builtins(card)
    plain["palette"] = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in card.colours]
    return {key: plain[key] for key in SHOWN if plain[key] is not None}


SHOWN = (
    "name", "version", "task", "description", "labels", "palette", "licence", "input", "output", "finder", "quality",
    "sha256", "bytes", "url", "training",
)  # fmt: skip
