"""Losses over logits (N, C, h, w) and class ids (N, H, W) with ``IGNORE``; logits are first resized to the ids."""

import torch
from torch import Tensor
from torch.nn import functional as F

from maskery.datasets.base import IGNORE
from maskery.training.recipe import Loss


def total_loss(logits: Tensor, target: Tensor, weights: Loss) -> Tensor:
    """The recipe's weighted sum, a scalar. A batch without a judged pixel has loss zero."""
    logits = F.interpolate(logits.float(), size=target.shape[1:], mode="bilinear", align_corners=False)
    target = target.long()
    judged = (target != IGNORE).sum().clamp(min=1)
    loss = weights.cross_entropy * F.cross_entropy(logits, target, ignore_index=IGNORE, reduction="sum") / judged
    if weights.dice:
        loss = loss + weights.dice * dice_loss(logits, target)
    return loss


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """One minus the soft Dice score, averaged over the classes that the batch contains (arXiv 1606.04797)."""
    valid = target != IGNORE
    probability = logits.softmax(1) * valid[:, None]
    truth = F.one_hot(target.masked_fill(~valid, 0), logits.shape[1]).permute(0, 3, 1, 2) * valid[:, None]
    overlap = (probability * truth).sum((0, 2, 3))
    size = (probability + truth).sum((0, 2, 3))
    present = truth.sum((0, 2, 3)) > 0
    return 1 - torch.where(present, 2 * overlap / size.clamp(min=1), 0).sum() / present.sum().clamp(min=1)
