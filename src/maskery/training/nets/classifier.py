"""A classifier of whole pictures: the backbone's last map, averaged, and one linear layer."""

from typing import cast

import torch
from torch import Tensor, nn

from maskery.training.nets.base import Backbone, Net


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
