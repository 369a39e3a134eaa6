"""What every network and every backbone says of itself: the loop, the export and the card ask it."""

from collections.abc import Sequence

from torch import Tensor, nn

Triple = tuple[float, float, float]


class Backbone(nn.Module):
    """Takes (N, 3, H, W) float32, normalised by ``(x - pixel_mean) / pixel_std`` (x in 0..255), gives a list of maps.

    The maps have ``channels`` channels, finest first, at strides 4, 8, 16 and 32. A backbone that stops early gives
    fewer; a dilated one keeps its last maps at ``stride``, the stride of the coarsest.
    """

    channels: tuple[int, ...]
    stride: int
    pixel_mean: Triple
    pixel_std: Triple

    def forward(self, x: Tensor) -> list[Tensor]:
        raise NotImplementedError

    def early_layers(self, blocks: int) -> Sequence[nn.Module]:
        """The stem and the first ``blocks`` blocks: the layers that a recipe may freeze."""
        raise NotImplementedError


class Net(nn.Module):
    """Takes what its backbone takes. Evaluation: logits (N, C, H / ``stride``, W / ``stride``); a classifier: (N, C).

    In training a network may return a tuple of such logits: the main ones, then those of auxiliary heads. ``multiple``:
    sides that are multiples of it keep all maps aligned; the card asks for them.
    """

    backbone: Backbone
    stride: int
    multiple: int
