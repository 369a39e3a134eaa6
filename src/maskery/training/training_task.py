"""What every task offers to the loop: its crops, its loss, its measure, and a sheet of what a network sees."""

from collections.abc import Sequence
from typing import Any, Protocol

from PIL import Image
from torch import Tensor, nn

from maskery.training.crops import Stream
from maskery.training.networks.base import Net


class TrainingTask(Protocol):
    """``score`` names the number of ``validate`` that says how good the network is."""

    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def stream(self) -> Stream: ...
    @property
    def pictures(self) -> int: ...
    @property
    def score(self) -> str: ...
    @property
    def validation_pictures(self) -> int: ...

    def loss(self, forward: "Forward", net: Net, prepared: Tensor, truth: Sequence[Tensor]) -> Tensor:
        """The loss of a batch: what the network's input is made of, and the rest of the stream's items.

        ``forward``: the network in its step, with gradients.
        """
        ...

    def look(self, net: Net, prepared: Tensor, truth: Sequence[Tensor]) -> object:
        """Show ``net`` a batch as ``loss`` does, for its batch norms to count."""
        ...

    def validate(self, net: nn.Module, prepare: "Prepare", most: int | None = None) -> dict[str, float]:
        """Numbers of ``net``, in evaluation mode, on the validation split: a quick look; ``evaluate`` measures.

        ``most``: only so many pictures.
        """
        ...

    def sheet(self, net: nn.Module, prepare: "Prepare") -> Image.Image:
        """Some validation pictures, always the same ones, with what they show and what ``net`` sees in them."""
        ...


class Prepare(Protocol):
    """(N, 3, H, W) uint8 -> the network's input on its device."""

    def __call__(self, images: Tensor) -> Tensor: ...


class Forward(Protocol):
    """Runs a network on whatever it takes."""

    def __call__(self, *inputs: Any) -> Any: ...
