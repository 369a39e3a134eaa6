"""The head of a one-stage detector on an encoder's maps at the strides 8 and 16; it adds a map at stride 32.

Scores and distances have the form of NanoDet's (arXiv 2006.04388, "Generalized Focal Loss"): a logit a class, and for
each side a distribution over ``BINS`` whole strides.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BINS = 8
STRIDES = (8, 16, 32)
PRIOR = -4.6
"""The first logit of every class: a probability of 0.01, as most places show none."""


class _Norm(nn.Sequential):
    """Pointwise convolution, batch norm."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(nn.Conv2d(channels_in, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out))


class _Separable(nn.Module):
    """Depthwise 5 x 5, batch norm, ReLU, pointwise, batch norm; added to its input at stride 1; ReLU."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            channels_in, channels_in, 5, stride=stride, padding=2, groups=channels_in, bias=False
        )
        self.norm = nn.BatchNorm2d(channels_in)
        self.pointwise = _Norm(channels_in, channels_out)
        self.added = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        seen = cast(Tensor, self.pointwise(F.relu(self.norm(self.depthwise(x)))))
        return F.relu(seen + x) if self.added else F.relu(seen)


class DetectionHead(nn.Module):
    """Maps (N, C8, H / 8, W / 8) and (N, C16, H / 16, W / 16) -> logits (N, A, classes) and distances (N, A, 4 * BINS),
    before their softmax; A: places of the three grids, one after another, row by row.

    ``channels``: C8 and C16. H and W are multiples of 32.
    """

    def __init__(self, channels: tuple[int, int], classes: int, fine: int, coarse: int) -> None:
        super().__init__()
        self.classes = classes
        self.lateral8, self.lateral16 = _Norm(channels[0], fine), _Norm(channels[1], coarse)
        self.mix16 = _Separable(coarse, coarse)
        self.down32 = _Separable(coarse, coarse, 2)
        self.whole = nn.Conv2d(coarse, coarse, 1)
        self.mix32 = nn.Sequential(_Separable(coarse, coarse), _Separable(coarse, coarse))
        self.up16, self.up8 = _Norm(coarse, coarse), _Norm(coarse, fine)
        self.join16, self.join8 = _Separable(coarse, coarse), _Separable(fine, fine)
        self.back16 = _Separable(fine, coarse, 2)
        self.back32 = _Separable(coarse, coarse, 2)
        widths = (fine, coarse, coarse)
        self.towers = nn.ModuleList(nn.Sequential(_Separable(w, w), _Separable(w, w)) for w in widths)
        self.scores = nn.ModuleList(nn.Conv2d(w, classes, 1) for w in widths)
        self.distances = nn.ModuleList(nn.Conv2d(w, 4 * BINS, 1) for w in widths)
        for layer in self.scores:
            nn.init.normal_(cast(Tensor, layer.weight), std=0.01)
            nn.init.constant_(cast(Tensor, layer.bias), PRIOR)

    def forward(self, map8: Tensor, map16: Tensor) -> tuple[Tensor, Tensor]:
        scores, distances = zip(*self.levels(map8, map16), strict=True)
        return torch.cat(scores, 1), torch.cat(distances, 1)

    def levels(self, map8: Tensor, map16: Tensor) -> list[tuple[Tensor, Tensor]]:
        """The same of each grid for itself."""
        c16 = self.mix16(F.relu(self.lateral16(map16)))
        c32 = self.down32(c16)
        c32 = self.mix32(F.relu(c32 + self.whole(c32.mean((2, 3), keepdim=True))))
        p16 = self.join16(F.relu(c16 + _twice(self.up16(c32))))
        p8 = self.join8(F.relu(self.lateral8(map8) + _twice(self.up8(p16))))
        p16 = p16 + self.back16(p8)
        p32 = c32 + self.back32(p16)
        found = list[tuple[Tensor, Tensor]]()
        for i, x in enumerate((p8, p16, p32)):
            seen = self.towers[i](x)
            found.append((_rows(self.scores[i](seen)), _rows(self.distances[i](seen))))
        return found


class WholeHead(nn.Module):
    """The head as it is exported: the encoder's maps at the strides 4, 8 and 16 -> for each of ``STRIDES``
    probabilities (N, places, classes) and distances (N, places, 4 * BINS), before their softmax.
    """

    def __init__(self, head: DetectionHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, map4: Tensor, map8: Tensor, map16: Tensor) -> tuple[Tensor, ...]:
        levels = self.head.levels(torch.cat([F.avg_pool2d(map4, 2), map8], 1), map16)
        return tuple(part for scores, distances in levels for part in (scores.sigmoid(), distances))


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def _rows(x: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, h * w, C)."""
    return x.flatten(2).transpose(1, 2)


def centres(side: int) -> tuple[Tensor, Tensor]:
    """Of a square of ``side`` pixels: x and y of all places (A, 2), and their strides (A,), in pixels."""
    points, strides = list[Tensor](), list[Tensor]()
    for stride in STRIDES:
        at = (torch.arange(side // stride) + 0.5) * stride
        y, x = torch.meshgrid(at, at, indexing="ij")
        points.append(torch.stack([x.flatten(), y.flatten()], 1))
        strides.append(torch.full((len(points[-1]),), float(stride)))
    return torch.cat(points), torch.cat(strides)


def boxes_of(distances: Tensor, points: Tensor, strides: Tensor) -> Tensor:
    """Distances (..., A, 4 * BINS) -> boxes x0, y0, x1, y1 (..., A, 4) in pixels: the means of the distributions."""
    bins = distances.reshape(*distances.shape[:-1], 4, BINS).softmax(-1)
    steps = bins @ torch.arange(BINS, dtype=distances.dtype)
    reach = steps * strides[:, None]
    return torch.cat([points - reach[..., :2], points + reach[..., 2:]], -1)
