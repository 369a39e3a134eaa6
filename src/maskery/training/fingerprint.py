"""The part of a recipe that decides the weights: a checkpoint belongs to exactly one."""

from typing import Any

import msgspec

from maskery.errors import TrainingError
from maskery.training.recipe import Data, Loss, Network, Optimiser, Recipe


class Decisive(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    seed: int
    data: Data
    network: Network
    optimiser: Optimiser
    loss: Loss


def fingerprint(recipe: Recipe) -> str:
    """As canonical text."""
    parts = {name: getattr(recipe, name) for name in Decisive.__struct_fields__}
    return msgspec.json.encode(parts, order="deterministic").decode()


def differences(former: str, recipe: Recipe) -> list[str]:
    """What has changed since the fingerprint ``former``: ``optimiser.rate was 0.001 and is 0.002``; mostly nothing.

    A key that recipes did not have then had its default. Raises ``TrainingError`` for a fingerprint of another form.
    """
    if former == fingerprint(recipe):
        return []
    try:
        then = msgspec.json.decode(former, type=Decisive)
    except msgspec.MsgspecError as error:
        raise TrainingError(f"The checkpoint's recipe is not understood: {error}.", "Choose another --out.") from error
    now = Decisive(**{name: getattr(recipe, name) for name in Decisive.__struct_fields__})
    old, new = (dict(_flat("", msgspec.to_builtins(parts))) for parts in (then, now))
    return [
        f"{key} was {old.get(key, 'absent')} and is {new.get(key, 'absent')}"
        for key in old | new
        if key not in old or key not in new or old[key] != new[key]
    ]


def _flat(where: str, value: Any) -> list[tuple[str, Any]]:
    """Every innermost value with its dotted key."""
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in _flat(f"{where}.{key}".strip("."), inner)]
    if isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        return [pair for i, inner in enumerate(value) for pair in _flat(f"{where}[{i}]", inner)]
    return [(where, value)]
