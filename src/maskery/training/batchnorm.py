"""Averaged weights -> batch norms that fit them.

The average of many steps' running statistics is not what the averaged weights bring about: a channel that became quiet
meanwhile would be divided by too little or too much. Counting anew (precise statistics, arXiv 2105.07576; for averaged
weights arXiv 1803.05407) brought 0.03 mIoU in the middle of a run.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from maskery.training.crops import Stream
from maskery.training.networks.base import Net
from maskery.training.recipe import Recipe
from maskery.training.schedule import set_training_mode

CROPS, PICTURES = 256, 4096
"""So many training crops are looked at, or a whole epoch where that is fewer; of a classifier so many pictures, whose
last maps have few positions each."""


def batches_of(stream: Stream, recipe: Recipe) -> int:
    """How many batches ``with_own_statistics`` looks at."""
    enough = PICTURES if recipe.classifies else CROPS
    return max(1, min(len(stream), enough) // recipe.optimiser.batch)


class Source(Protocol):
    """Crops, and how a network looks at them: ``tasks.TrainingTask``."""

    @property
    def stream(self) -> Stream: ...

    def look(self, net: Net, prepared: Tensor, truth: Sequence[Tensor]) -> object: ...


def with_own_statistics(
    net: Net, recipe: Recipe, source: Source, prepare: Callable[[Tensor], Tensor], most: int | None = None
) -> Net:
    """A copy of ``net``, in evaluation mode, whose training batch norms have the mean and variance of crops that it
    sees itself: of an epoch behind the last one, so that crops have their full size. Frozen norms stay.

    ``most``: only so many batches.
    """
    net = copy.deepcopy(net)
    set_training_mode(net, recipe)
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d) and module.training]
    net.eval()
    if not norms:
        return net
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.__class__ = nn.BatchNorm2d  # one process counts, and must not wait for others
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over the batches
        norm.train()
    stream, size = source.stream, recipe.optimiser.batch
    stream.start_epoch(recipe.optimiser.total_epochs)
    with torch.inference_mode():
        for batch in range(batches_of(stream, recipe) if most is None else most):
            items = [stream[(batch * size + i) % len(stream)] for i in range(size)]
            images, *truth = (torch.stack(parts) for parts in zip(*items, strict=True))
            source.look(net, prepare(images), truth)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return net.eval()
