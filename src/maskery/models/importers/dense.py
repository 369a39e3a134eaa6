"""Networks as other libraries build them, brought to one form: (N, 3, H, W) float32 -> (N, C, h, w) scores."""

from typing import Any

import torch
from torch import Tensor, nn


class Coarse(nn.Module):
    """torchvision's: scores on the grid of the classifier, before they are enlarged to the picture."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.backbone, self.classifier = net.backbone, net.classifier

    def forward(self, image: Tensor) -> Tensor:
        features = self.backbone(image)
        scores: Tensor = self.classifier(features.get("out", features))
        return scores


def coarse(net: nn.Module) -> nn.Module:
    """``Coarse`` in eval mode."""
    return Coarse(net).eval()


class Dense(nn.Module):
    """A semantic model of ``transformers``: its logits, on a coarse grid."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.net(pixel_values=image).logits
        return logits


class Queries(nn.Module):
    """A universal model: a query is a mask with a class. The score of a class is the sum over its queries.

    Scores are sums of probabilities, at least 0; what is no object ("null class", the last one) is left out. With
    ``grid_hw`` the masks are enlarged to that grid before they become probabilities.
    """

    task: Tensor | None

    def __init__(self, net: Any, grid_hw: tuple[int, int] | None = None, task: Tensor | None = None) -> None:
        """``task``: the tokens of a model that takes its task as an input, (1, length)."""
        super().__init__()
        self.net, self.grid_hw = net, grid_hw
        self.register_buffer("task", task)

    def forward(self, image: Tensor) -> Tensor:
        inputs = {} if self.task is None else {"task_inputs": self.task.expand(image.shape[0], -1)}
        answer = self.net(pixel_values=image, **inputs)
        classes = answer.class_queries_logits.softmax(-1)[..., :-1]
        masks = answer.masks_queries_logits
        if self.grid_hw:
            masks = nn.functional.interpolate(masks, size=self.grid_hw, mode="bilinear", align_corners=False)
        return torch.einsum("nqc,nqhw->nchw", classes, masks.sigmoid())


class Pyramid(nn.Module):
    """UperNet: the logits of its head on a coarse grid, before they are enlarged to the picture."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.backbone, self.head = net.backbone, net.decode_head

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(self.backbone(image).feature_maps)
        return logits
