"""A network with the interface of torchvision's segmentation networks, of a few thousand weights."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn


class Features(nn.Module):
    """Features of an eighth of the picture's size, by name."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.names = names
        self.layers = nn.Sequential(*(nn.Conv2d(a, b, 3, 2, 1) for a, b in ((3, 8), (8, 8), (8, 8))))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        features = self.layers(image)
        return OrderedDict((name, features) for name in self.names)


class Head(nn.Module):
    """The head of LR-ASPP: it takes all features."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.low_classifier = nn.Conv2d(8, classes, 1)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        scores: Tensor = self.low_classifier(features["low"] * features["high"].mean((2, 3), keepdim=True).sigmoid())
        return scores


class Net(nn.Module):
    """As ``get_model(name, num_classes=classes, aux_loss=auxiliary)``: gives {"out": (N, C, H, W)}."""

    def __init__(self, name: str, classes: int, auxiliary: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        lraspp = name.startswith("lraspp")
        self.backbone = Features(("low", "high") if lraspp else ("out",))
        head = [nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.1), nn.Conv2d(8, classes, 1)]
        self.classifier: Any = Head(classes) if lraspp else nn.Sequential(*head)
        if auxiliary:
            self.aux_classifier = nn.Conv2d(8, classes, 1)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.3)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        features = self.backbone(image)
        scores = self.classifier(features.get("out", features))
        size = image.shape[-2:]
        return {"out": nn.functional.interpolate(scores, size=size, mode="bilinear", align_corners=False)}
