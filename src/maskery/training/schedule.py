"""The steps of every epoch, the recipe's optimiser with its learning rates, and the average of the weights."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from maskery.core.errors import ConfigError
from maskery.training.crops import Stream, crop_of
from maskery.training.networks.base import Net
from maskery.training.recipe import OptimiserSpec, Recipe

VALIDATE_EVERY = 3
"""A validation comes after so many epochs, and after the last."""


@dataclass(frozen=True)
class Epoch:
    """``cost``: the pixels of all its crops, to which the time is proportional."""

    steps: int
    crops: int
    side: int

    @property
    def cost(self) -> float:
        return float(self.crops * self.side**2)


def plan(recipe: Recipe, stream: Stream) -> Sequence[Epoch]:
    """All epochs. Raises ``ConfigError`` where an epoch would not make one step."""
    settings, epochs, least = recipe.optimiser, list[Epoch](), sys.maxsize
    for epoch in range(settings.total_epochs):
        stream.start_epoch(epoch)
        least = min(least, len(stream))
        steps = len(stream) // settings.batch
        epochs.append(Epoch(steps, steps * settings.batch, crop_of(epoch, settings.epochs, recipe.data)))
    if not all(epoch.steps for epoch in epochs):
        raise ConfigError(
            f"The data set is smaller than one batch: an epoch has {least} crops, a batch {settings.batch}.",
            "Lower optimiser.batch, or raise data.passes.",
        )
    return epochs


def validations(after: int, total: int) -> int:
    """How many validations come after ``after`` of ``total`` epochs."""
    return -(-total // VALIDATE_EVERY) - after // VALIDATE_EVERY


def build_optimiser(net: Net, recipe: Recipe) -> torch.optim.Optimizer:
    """Two groups of parameters: the backbone's, then the others. The frozen ones no longer ask for a gradient."""
    for layer in frozen_layers(net, recipe):
        layer.requires_grad_(False)
    settings, backbone = recipe.optimiser, net.backbone
    known = {id(p) for p in backbone.parameters()}
    groups = [
        {
            "params": [p for p in backbone.parameters() if p.requires_grad],
            "lr": settings.rate * settings.backbone_factor,
        },
        {"params": [p for p in net.parameters() if id(p) not in known], "lr": settings.rate},
    ]
    if settings.name == "sgd":
        return torch.optim.SGD(groups, momentum=settings.momentum, weight_decay=settings.weight_decay)
    return torch.optim.AdamW(groups, weight_decay=settings.weight_decay)


def frozen_layers(net: Net, recipe: Recipe) -> Sequence[nn.Module]:
    """The layers that stay as they are."""
    blocks = recipe.network.frozen_blocks
    return list(net.backbone.early_layers(blocks)) if blocks else []


def set_training_mode(net: Net, recipe: Recipe) -> None:
    """Training mode, but for the frozen layers and, where the recipe says so, the batch norms."""
    net.train()
    still = list(frozen_layers(net, recipe))
    network = recipe.network
    if network.frozen_norm or network.start:
        part = net if network.start else net.backbone
        still += [m for m in part.modules() if isinstance(m, nn.BatchNorm2d)]
    for layer in still:
        layer.eval()


def build_schedule(
    optimiser: torch.optim.Optimizer, settings: OptimiserSpec, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """The rate over ``steps`` steps, those of ``settings.epochs``; of one or two steps it is the peak."""
    if steps <= 2:
        return torch.optim.lr_scheduler.LambdaLR(optimiser, lambda _: 1.0)
    if settings.schedule == "one-cycle":
        rates = [group["lr"] for group in optimiser.param_groups]
        share, total, rising = settings.warmup, steps, settings.warmup * steps
        if rising == 1:  # torch divides by the lengths of its phases: rising - 1 steps and those that are left
            share *= 1 - 1e-9
        elif rising > steps - 1e-6:
            share, total = steps / (steps + 1), steps + 1
        return torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=rates, total_steps=total, pct_start=share)
    first = max(1, round(settings.warmup * steps))

    def factor(step: int) -> float:
        return (step + 1) / first if step < first else (1 - (step - first) / max(1, steps - first)) ** 0.9

    return torch.optim.lr_scheduler.LambdaLR(optimiser, factor)


def hold_rate(optimiser: torch.optim.Optimizer, settings: OptimiserSpec) -> None:
    """The constant rate after the schedule's end, the backbone's by its factor."""
    for group, factor in zip(optimiser.param_groups, (settings.backbone_factor, 1.0), strict=True):
        group["lr"] = settings.hold_rate * factor


Tensors = tuple[Tensor, ...] | list[Tensor]


def average_of(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """An exponential average that forgets the first, random weights: its decay begins low and grows to ``decay``."""

    def update(averaged: Tensors, current: Tensors, done: Tensor | int) -> None:
        now = min(decay, (1 + int(done)) / (10 + int(done)))
        get_ema_multi_avg_fn(now)(averaged, current, done)  # type: ignore[no-untyped-call]

    return update
