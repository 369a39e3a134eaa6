"""A fully convolutional network (arXiv 1411.4038) over a dilated backbone, as FCN-ResNet101 is known today."""

from typing import cast

from torch import Tensor, nn

from maskery.training.nets.base import Backbone, Net
from maskery.training.nets.layers import conv_bn_relu


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
