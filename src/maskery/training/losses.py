"""Losses over logits (N, C, h, w) and class ids (N, H, W) with ``IGNORE``; logits are first resized to the ids.

In a run of several processes each has the loss of the whole batch, of all of them: sums go through ``across``.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from maskery.core.labels import IGNORE
from maskery.training.distributed import across, count, kth_largest
from maskery.training.recipe import LossSpec

OHEM_LEAST = 16
"""At least one pixel of so many is kept, however sure the network is."""


def total_loss(
    outputs: Tensor | Sequence[Tensor], target: Tensor, weights: LossSpec, soft: Tensor | None = None
) -> Tensor:
    """The recipe's weighted sum, a scalar. A batch without a pixel with a class has loss zero.

    ``outputs``: logits, or the main logits and those of auxiliary heads. A ``target`` (N,) holds classes of whole
    pictures, one of (N, C) distributions over them. ``soft``: a teacher's logits for the main ones, see
    ``distillation``.
    """
    main, *others = [outputs] if isinstance(outputs, Tensor) else outputs
    if target.dim() <= 2:
        return across(F.cross_entropy(main.float(), target, label_smoothing=weights.smoothing)) / count()
    loss = _one(main, target.long(), weights)
    for other in others:
        loss = loss + weights.auxiliary * _one(other, target.long(), weights)
    if soft is not None:
        loss = loss + weights.distil * distillation(main, soft, weights.temperature)
    return loss


def _one(logits: Tensor, target: Tensor, weights: LossSpec) -> Tensor:
    logits = F.interpolate(logits.float(), size=target.shape[1:], mode="bilinear", align_corners=False)
    log_probability = logits.log_softmax(1)
    loss = weights.cross_entropy * cross_entropy(log_probability, target, weights.ohem, weights.smoothing)
    if weights.dice:
        loss = loss + weights.dice * dice_loss(log_probability, target)
    return loss


def cross_entropy(log_probability: Tensor, target: Tensor, ohem: float = 0.0, smoothing: float = 0.0) -> Tensor:
    """Mean over the pixels with a class; with ``ohem`` over the hard ones: those whose class has a lower probability.

    ``log_probability`` (N, C, H, W), ``target`` (N, H, W) int64.
    """
    valid = target != IGNORE
    each = -_of_target(log_probability, target)
    kept = valid & (each >= _hard(each[valid].detach(), ohem)) if ohem else valid
    if smoothing:
        each = (1 - smoothing) * each - smoothing * log_probability.mean(1)
    return across((each * kept).sum()) / across(kept.sum()).clamp(min=1)


def _hard(losses: Tensor, ohem: float) -> Tensor:
    """The loss from which a pixel counts as hard; ``losses`` (M,) are those of the pixels with a class."""
    limit = losses.new_tensor(-math.log(ohem))
    least = int(across(torch.tensor(len(losses), device=losses.device))) // OHEM_LEAST
    return torch.minimum(limit, kth_largest(losses, least)) if least else limit


def dice_loss(log_probability: Tensor, target: Tensor) -> Tensor:
    """One minus the soft Dice score, averaged over the classes that the batch contains (arXiv 1606.04797)."""
    classes, valid = log_probability.shape[1], target != IGNORE
    ids = target[valid]
    pixels = torch.bincount(ids, minlength=classes).to(log_probability.dtype)
    hit = _of_target(log_probability, target)[valid].exp()
    overlap = across(torch.zeros_like(pixels).index_add(0, ids, hit))
    size = across((log_probability.exp() * valid[:, None]).sum((0, 2, 3)) + pixels)
    present = across(pixels) > 0
    return 1 - torch.where(present, 2 * overlap / size.clamp(min=1), 0).sum() / present.sum().clamp(min=1)


def distillation(logits: Tensor, soft: Tensor, temperature: float) -> Tensor:
    """T^2 times the Kullback-Leibler divergence of the network's prediction from the teacher's, both of
    logits / T, averaged over the places with soft labels (arXiv 1503.02531; for masks 1903.04197).

    ``soft`` (N, C, h, w): logits, NaN where there are none; ``logits`` are resized to them.
    """
    known = soft[:, 0].isfinite()
    ours = F.interpolate(logits.float(), size=soft.shape[2:], mode="bilinear", align_corners=False)
    theirs = (soft.float().masked_fill(~known[:, None], 0) / temperature).log_softmax(1)
    distance = F.kl_div((ours / temperature).log_softmax(1), theirs, reduction="none", log_target=True).sum(1)
    return temperature**2 * across((distance * known).sum()) / across(known.sum()).clamp(min=1)


def _of_target(log_probability: Tensor, target: Tensor) -> Tensor:
    """(N, H, W): what each pixel's own class has; of class 0 where the pixel has no class."""
    known = target.masked_fill(target == IGNORE, 0)
    return log_probability.gather(1, known[:, None])[:, 0]
