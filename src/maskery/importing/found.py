"""What an import found at its source, before anything is exported."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskery.model_card import Input, ModelCard

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Found:
    """``card``: right in all but the file's facts and, where the first of ``inputs`` fails, its input.

    ``inputs``: ways to give pictures to the network, tried in this order: any size first, then a fixed one.
    ``load``: the network with its weights, in eval mode: (N, 3, H, W) float32 -> (N, C, h, w) scores.
    ``notes``: what was guessed or is done otherwise than at the source, one sentence each.
    """

    card: ModelCard
    inputs: tuple[Input, ...]
    load: Callable[[], "nn.Module"]
    notes: tuple[str, ...]
