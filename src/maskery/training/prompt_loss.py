"""The loss of candidates for a mask: the first always learns, the others where one of them is the best."""

import torch
from torch import Tensor
from torch.nn import functional as F

from maskery.core.labels import IGNORE

EDGE = 2
"""Pixels of the mask on either side of an outline that count more."""
SPREAD = 0.05
"""Weight of the candidates that are not the best, so that none of them dies."""


def prompt_loss(logits: Tensor, scores: Tensor, truth: Tensor, edge_weight: float) -> Tensor:
    """Of candidates (N, K, H, W) with predicted IoU (N, K) for objects ``truth`` (N, H, W): 1, 0, or 255 not judged.

    Cross-entropy (pixels at outlines count ``1 + edge_weight``) and Dice of the first candidate, plus those of the
    best, plus a little of all; and the squared error of the predicted IoU.
    """
    judged = (truth != IGNORE).float()[:, None]
    target = (truth == 1).float()[:, None]
    edges = F.max_pool2d(target, 2 * EDGE + 1, 1, EDGE) + F.max_pool2d(-target, 2 * EDGE + 1, 1, EDGE)
    weight = judged * (1 + edge_weight * edges)
    weight = weight / weight.mean((2, 3), keepdim=True).clamp(min=1e-3)
    each = F.binary_cross_entropy_with_logits(logits, target.expand_as(logits), reduction="none")
    each = (each * weight).mean((2, 3))
    probability = logits.sigmoid() * judged
    shared, size = (probability * target).sum((2, 3)), probability.sum((2, 3)) + (target * judged).sum((2, 3))
    each = each + 1 - (2 * shared + 1) / (size + 1)
    with torch.no_grad():
        true_iou = _iou(logits > 0, target > 0, judged > 0)
    return each[:, 0].mean() + each.amin(1).mean() + SPREAD * each.mean() + (scores - true_iou).square().mean()


def _iou(predicted: Tensor, target: Tensor, judged: Tensor) -> Tensor:
    """(N, K, H, W) and (N, 1, H, W) bool -> (N, K) float32; 1 where both are empty."""
    shared = (predicted & target & judged).sum((2, 3)).float()
    union = ((predicted | target) & judged).sum((2, 3)).float()
    return torch.where(union > 0, shared / union.clamp(min=1), 1.0)
