"""BiSeNet: a shallow path that keeps the details beside a deep one that knows the context (arXiv 1808.00897)."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskery.training.networks.base import Backbone, Net, conv_bn_relu, upsample


class _Attention(nn.Module):
    """Weights in 0..1 a channel, (N, C, 1, 1), from the map's mean.

    With a bias instead of the paper's batch norm: of one value a picture, statistics of a small batch say little.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weigh = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.weigh(x.mean((2, 3), keepdim=True)))


class _Refinement(nn.Module):
    """Attention refinement module (ARM): 3 x 3 to ``width`` channels, each weighed by its attention."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv = conv_bn_relu(channels, width, 3)
        self.attention = _Attention(width)

    def forward(self, x: Tensor) -> Tensor:
        y = cast(Tensor, self.conv(x))
        return y * cast(Tensor, self.attention(y))


class _Fusion(nn.Module):
    """Feature fusion module (FFM): the two paths are of different levels, so attention chooses among their mix."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.mix = conv_bn_relu(channels, width)
        self.squeeze = nn.Conv2d(width, width // 4, 1)
        self.weigh = nn.Conv2d(width // 4, width, 1)

    def forward(self, detail: Tensor, context: Tensor) -> Tensor:
        y = cast(Tensor, self.mix(torch.cat([detail, context], 1)))
        chosen = torch.sigmoid(self.weigh(F.relu(self.squeeze(y.mean((2, 3), keepdim=True)))))
        return y + y * chosen


class _Context(nn.Module):
    """Context path: refined maps at strides 16 and 32 and the picture's mean, summed from coarse to fine.

    Returns the sum at stride 16 and the part of it at stride 32, both of ``width`` channels.
    """

    def __init__(self, channels16: int, channels32: int, width: int) -> None:
        super().__init__()
        self.refine16, self.refine32 = _Refinement(channels16, width), _Refinement(channels32, width)
        self.tail = nn.Conv2d(channels32, width, 1)
        self.smooth16, self.smooth32 = conv_bn_relu(width, width, 3), conv_bn_relu(width, width, 3)

    def forward(self, f16: Tensor, f32: Tensor) -> tuple[Tensor, Tensor]:
        y32 = self.refine32(f32) + F.relu(self.tail(f32.mean((2, 3), keepdim=True)))
        y16 = self.refine16(f16) + self.smooth32(upsample(y32, f16))
        return self.smooth16(y16), y32


class BiSeNet(Net):
    """Logits at stride 8; in training (main, auxiliary at stride 16, auxiliary at stride 32).

    ``width`` is that of the context path, 128 in the paper; the spatial path is half as wide, their mix twice.
    """

    def __init__(self, backbone: Backbone, classes: int, width: int = 128, dropout: float = 0.1) -> None:
        super().__init__()
        self.backbone = backbone
        self.stride, self.multiple = 8, 32
        *_, c16, c32 = backbone.channels
        half = width // 2
        self.spatial = nn.Sequential(
            conv_bn_relu(3, half, 7, stride=2),
            conv_bn_relu(half, half, 3, stride=2),
            conv_bn_relu(half, half, 3, stride=2),
            conv_bn_relu(half, width),
        )
        self.context = _Context(c16, c32, width)
        self.fusion = _Fusion(2 * width, 2 * width)
        self.classify = _head(2 * width, 2 * width, classes, dropout)
        self.auxiliary16 = _head(width, half, classes, dropout)
        self.auxiliary32 = _head(width, half, classes, dropout)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        *_, f16, f32 = self.backbone(x)
        y16, y32 = self.context(f16, f32)
        detail = self.spatial(x)
        main = cast(Tensor, self.classify(self.fusion(detail, upsample(y16, detail))))
        return (main, self.auxiliary16(y16), self.auxiliary32(y32)) if self.training else main


def _head(channels: int, width: int, classes: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(conv_bn_relu(channels, width, 3), nn.Dropout2d(dropout), nn.Conv2d(width, classes, 1))
