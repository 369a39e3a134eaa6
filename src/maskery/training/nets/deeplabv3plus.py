"""DeepLabV3+: atrous spatial pyramid pooling and a small decoder (arXiv 1802.02611, ASPP arXiv 1706.05587)."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskery.training.nets.base import Backbone, Net
from maskery.training.nets.layers import conv_bn_relu, separable, upsample

# The paper's 6, 12, 18 belong to crops of 513 pixels, 33 positions at stride 16. At our 256 to 360 pixels the outer
# taps of the larger ones would meet little but padding; half of them keeps their share of the map.
RATES = (3, 6, 9)


class _Aspp(nn.Module):
    """The map at several fields of view (1 x 1, three atrous separable 3 x 3, the picture's mean), mixed to ``width``.

    The pooled branch has a bias instead of batch norm: of one value a picture, statistics of a small batch say little.
    """

    def __init__(self, channels: int, width: int, rates: tuple[int, ...]) -> None:
        super().__init__()
        self.point = conv_bn_relu(channels, width)
        self.atrous = nn.ModuleList(separable(channels, width, rate) for rate in rates)
        self.pool = nn.Conv2d(channels, width, 1)
        self.project = conv_bn_relu((2 + len(rates)) * width, width)

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.relu(self.pool(x.mean((2, 3), keepdim=True)))
        views = [self.point(x), *(branch(x) for branch in self.atrous), pooled.expand(-1, -1, *x.shape[2:])]
        return cast(Tensor, self.project(torch.cat(views, 1)))


class DeepLabV3Plus(Net):
    """Logits at stride 4. Best over a backbone of output stride 16; ``width`` is 256 in the paper.

    The decoder joins the upsampled ASPP with the stride 4 map, reduced to 3/16 of ``width`` (the paper's 48 of 256), so
    that the many low-level channels do not outweigh the meaning, and refines by two separable 3 x 3 convolutions.
    """

    def __init__(self, backbone: Backbone, classes: int, width: int = 256, dropout: float = 0.1) -> None:
        super().__init__()
        self.backbone = backbone
        self.stride, self.multiple = 4, backbone.stride
        low = max(8, width * 3 // 16)
        self.aspp = _Aspp(backbone.channels[-1], width, RATES)
        self.low = conv_bn_relu(backbone.channels[0], low)
        self.refine = nn.Sequential(separable(width + low, width), separable(width, width))
        self.dropout = nn.Dropout2d(dropout)
        self.classify = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        features = self.backbone(x)
        fine, coarse = features[0], features[-1]
        y = upsample(self.aspp(coarse), fine)
        y = self.refine(torch.cat([y, self.low(fine)], 1))
        return cast(Tensor, self.classify(self.dropout(y)))
