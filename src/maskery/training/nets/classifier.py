"""A classifier of whole pictures: the backbone's last map, averaged, and one linear layer."""

from typing import cast

from torch import Tensor, nn

from maskery.training.nets.base import Backbone, Net


class Classifier(Net):
    """Logits (N, classes), not a map: ``stride`` is 1 and means nothing here."""

    def __init__(self, backbone: Backbone, classes: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.backbone = backbone
        self.stride, self.multiple = 1, backbone.stride
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(backbone.channels[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.backbone(x)[-1].mean((2, 3))
        return cast(Tensor, self.classify(self.dropout(pooled)))
