"""What a run will cost, from three real steps and one validation picture; nothing is written."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

import torch
from torch.utils.data import default_collate

from maskery.core import process_memory
from maskery.training import checkpoint, distributed
from maskery.training.batchnorm import batches_of
from maskery.training.log import amount, duration
from maskery.training.loop import LOADERS, TrainingRun
from maskery.training.schedule import set_training_mode, validations

STEPS = 3


@dataclass(frozen=True, kw_only=True)
class CostEstimate:
    """What a run will cost.

    Attributes:
        epochs: Of the whole run.
        crops: Of the last epoch.
        parameters: Of the network.
        trained: Parameters that are not frozen.
        seconds_per_epoch: Without validations.
        seconds: Of the whole run.
        peak_bytes: Memory of the training process, on CUDA of the device.
        checkpoint_bytes: Of one file.
    """

    epochs: int
    crops: int
    parameters: int
    trained: int
    seconds_per_epoch: float
    seconds: float
    peak_bytes: int
    checkpoint_bytes: int

    def __str__(self) -> str:
        return (
            f"{duration(self.seconds)} for {self.epochs} epochs with their validations, "
            f"{duration(self.seconds_per_epoch)} an epoch of {self.crops} crops; "
            f"{amount(self.peak_bytes)} of memory at most, "
            f"{self.parameters / 1e6:.2f} million parameters ({self.trained / 1e6:.2f} trained), "
            f"{amount(self.checkpoint_bytes)} a checkpoint"
        )


def estimate_cost(run: TrainingRun) -> CostEstimate:
    """Make three steps at the largest crops and look at one validation picture. The run has learnt from them then.

    The first step warms up and does not count. Crops are made by other processes meanwhile, so an epoch takes what is
    longer: the steps, or the crops over the number of those processes.
    """
    stream, settings, plan = run.job.stream, run.recipe.optimiser, run.plan
    largest = max((i for i in range(len(plan)) if plan[i].steps), key=lambda i: plan[i].side)
    stream.start_epoch(largest)
    set_training_mode(run.net, run.recipe)
    if run.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(run.device)
    making, learning = [], []
    for positions in distributed.shares(len(stream), settings.batch)[:STEPS]:
        started = time.monotonic()
        images, *truth = default_collate([stream[position] for position in positions])
        made = time.monotonic()
        run.step(images, truth, positions)
        making.append(made - started)
        learning.append(time.monotonic() - made)
    started = time.monotonic()
    net = run.averaged(batches=1)
    counted = time.monotonic()
    run.job.validate(net, run.prepare, 1)
    looked = time.monotonic()
    validation = (counted - started) * batches_of(stream, run.recipe)
    validation += (looked - counted) * run.job.validation_pictures
    step = max(_settled(learning), _settled(making) / LOADERS)
    training = step * sum(epoch.cost for epoch in plan) / (settings.batch * plan[largest].side ** 2)
    return CostEstimate(
        epochs=len(plan),
        crops=plan[-1].crops,
        parameters=sum(p.numel() for p in run.net.parameters()),
        trained=sum(p.numel() for p in run.net.parameters() if p.requires_grad),
        seconds_per_epoch=training / len(plan),
        seconds=training + validation * validations(0, len(plan)),
        peak_bytes=_peak(run.device),
        checkpoint_bytes=checkpoint.size(run.state()),
    )


def _settled(seconds: Sequence[float]) -> float:
    """The mean without the first, where there are more."""
    return mean(seconds[1:] or seconds)


def _peak(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else process_memory.peak_bytes()
