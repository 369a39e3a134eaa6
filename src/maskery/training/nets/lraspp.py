"""LR-ASPP, the segmentation head of MobileNetV3 (arXiv 1905.02244): the lightest of the heads."""

from typing import cast

import torch
from torch import Tensor, nn

from maskery.training.nets.base import Backbone, Net
from maskery.training.nets.layers import conv_bn_relu, upsample


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
