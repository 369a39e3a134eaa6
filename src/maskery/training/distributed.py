"""One run in several processes, started by torchrun: each takes its share of every batch.

What a loss or a batch norm sums up is summed over all of them, so that they do together what one process does alone.
In a process of its own every function here gives back what it got.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from maskery.core.errors import ConfigError

PATIENCE = timedelta(hours=6)
"""So long the others wait while the first process validates and writes."""

T = TypeVar("T")


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Within it the processes that torchrun started work together: by NCCL on CUDA, by Gloo on CPUs."""
    if not dist.is_torchelastic_launched():
        yield
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """Which process this is; the first, 0, alone writes and speaks."""
    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def own_device(device: torch.device) -> torch.device:
    """The GPU of this process where ``device`` is CUDA without a number."""
    if count() == 1 or device.type != "cuda" or device.index is not None:
        return device
    return torch.device("cuda", dist.get_node_local_rank())


def shares(positions: int, batch: int) -> Sequence[list[int]]:
    """Of each whole batch the positions that are this process's; all batches together leave out a rest."""
    if batch % count():
        raise ConfigError(
            f"A batch of {batch} cannot be shared by {count()} processes.", "Make optimiser.batch a multiple of them."
        )
    share = batch // count()
    return [
        list(range(start + rank() * share, start + (rank() + 1) * share))
        for start in range(0, positions - batch + 1, batch)
    ]


def of_first(make: Callable[[], T]) -> T:
    """What ``make`` gives in the first process, in every process."""
    box: list[Any] = [make() if rank() == 0 else None]
    if count() > 1:
        dist.broadcast_object_list(box)
    result: T = box[0]
    return result


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.detach().clone()
        dist.all_reduce(y)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        grad = grads[0].clone()
        dist.all_reduce(grad)
        return grad


def across(x: Tensor) -> Tensor:
    """``x`` summed over the processes. Differentiable, for gradients that are then averaged over the processes."""
    if count() == 1:
        return x
    result: Tensor = _Sum.apply(x)  # type: ignore[no-untyped-call]
    return result


def kth_largest(values: Tensor, k: int) -> Tensor:
    """The k-th largest, a scalar, of the ``values`` (M,) of all processes; there are at least ``k``."""
    if count() == 1:
        return values.topk(k).values[-1]
    own = values.new_full((k,), -torch.inf)
    found = values.topk(min(k, len(values))).values
    own[: len(found)] = found
    parts = [torch.empty_like(own) for _ in range(count())]
    dist.all_gather(parts, own)
    return torch.cat(parts).topk(k).values[-1]


class _SharedNorm(nn.BatchNorm2d):
    """A batch norm over the batches of all processes. Parameters and state are those of ``nn.BatchNorm2d``.

    Torch's own ``SyncBatchNorm`` works on GPUs only.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        pixels, full = x.numel() // x.shape[1] * count(), x.to(torch.promote_types(x.dtype, torch.float32))
        mean = across(full.sum((0, 2, 3))) / pixels
        centred = full - mean[:, None, None]
        variance = across(centred.square().sum((0, 2, 3))) / pixels
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * pixels / max(1, pixels - 1), self.momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked += 1
        scale = torch.rsqrt(variance + self.eps) * self.weight
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


def share_norms(net: nn.Module) -> None:
    """Let the batch norms of ``net`` count the batches of all processes, in place; nothing in a process of its own."""
    for module in net.modules() if count() > 1 else ():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = _SharedNorm


def in_step(net: nn.Module) -> nn.Module:
    """``net`` with its gradients averaged over the processes; ``net`` itself in a process of its own."""
    if count() == 1:
        return net
    return DistributedDataParallel(net, forward_sync_buffers=False)
