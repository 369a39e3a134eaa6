"""Heads: FCN (arXiv 1411.4038), LR-ASPP (arXiv 1905.02244), DeepLabV3+ (arXiv 1802.02611), and a classifier."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskery.training.networks.base import Backbone, Net, conv_bn_relu, separable, upsample


class Fcn(Net):
    """Logits at the stride of the backbone's last map, 8 by ``build_network``, with no decoder behind it.

    In training (main, auxiliary): the auxiliary head reads the map before the last, as PSPNet's (arXiv 1612.01105).
    """

    def __init__(self, backbone: Backbone, classes: int, width: int = 512, dropout: float = 0.1) -> None:
        super().__init__()
        self.backbone = backbone
        self.stride = self.multiple = backbone.stride
        self.classify = _head(backbone.channels[-1], classes, width, dropout)
        self.auxiliary = _head(backbone.channels[-2], classes, width // 2, dropout)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        features = self.backbone(x)
        main = cast(Tensor, self.classify(features[-1]))
        return (main, self.auxiliary(features[-2])) if self.training else main


def _head(channels: int, classes: int, width: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(conv_bn_relu(channels, width, 3), nn.Dropout2d(dropout), nn.Conv2d(width, classes, 1))


class LiteAspp(Net):
    """Logits at stride 8, over a backbone of output stride 16.

    The last map, weighed channel by channel by what the whole picture shows, is classified at stride 8 together with
    the finer map there. The paper pools by windows of 49 x 49; here, as in torchvision, the window is the picture, so
    that no size is special.
    """

    def __init__(self, backbone: Backbone, classes: int, width: int = 128, dropout: float = 0.1) -> None:
        super().__init__()
        self.backbone = backbone
        self.stride, self.multiple = 8, backbone.stride
        fine, coarse = backbone.channels[1], backbone.channels[-1]
        self.point = conv_bn_relu(coarse, width)
        self.weigh = nn.Conv2d(coarse, width, 1, bias=False)
        self.dropout = nn.Dropout2d(dropout)
        self.classify_fine = nn.Conv2d(fine, classes, 1)
        self.classify = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        features = self.backbone(x)
        fine, coarse = features[1], features[-1]
        y = self.point(coarse) * torch.sigmoid(self.weigh(coarse.mean((2, 3), keepdim=True)))
        y = upsample(self.dropout(y), fine)
        return cast(Tensor, self.classify(y) + self.classify_fine(fine))


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


class Classifier(Net):
    """Logits (N, classes), not a map: ``stride`` is 1 and means nothing here.

    With ``mirror`` it looks at the mirror image too, except in training mode, and gives the mean of both logits.
    """

    def __init__(self, backbone: Backbone, classes: int, dropout: float = 0.1, mirror: bool = False) -> None:
        super().__init__()
        self.mirror = mirror
        self.backbone = backbone
        self.stride, self.multiple = 1, backbone.stride
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(backbone.channels[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        both = self.mirror and not self.training
        pooled = self.backbone(torch.cat([x, x.flip(3)]) if both else x)[-1].mean((2, 3))
        logits = cast(Tensor, self.classify(self.dropout(pooled)))
        return logits.reshape(2, -1, logits.shape[1]).mean(0) if both else logits
