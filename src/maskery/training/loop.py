"""The training loop: epochs, averaged weights, checkpoints, resume. The same seed gives the same weights."""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from maskery.core.card import ModelCard
from maskery.core.errors import TrainingError
from maskery.core.progress import Say, Throttle
from maskery.core.settings import load_settings
from maskery.models.store import Store
from maskery.training import checkpoint, diagnosis, distributed
from maskery.training.batchnorm import with_own_statistics
from maskery.training.checkpoint import CHECKPOINT_NAME
from maskery.training.finetune import blend, start_from
from maskery.training.log import Entry, RunLog
from maskery.training.networks.base import Net
from maskery.training.networks.build import build_network
from maskery.training.precision import choose_device, is_mixed, mixed, ready_for_mixed_cpu
from maskery.training.recipe import Recipe, differences, fingerprint
from maskery.training.schedule import (
    VALIDATE_EVERY,
    average_of,
    build_optimiser,
    build_schedule,
    hold_rate,
    plan,
    set_training_mode,
)
from maskery.training.tasks import open_job

LOADERS = 2
"""Processes that make crops while the network learns."""
RANK_SEED = 7_919_000_003


class TrainingRun:
    """One training run in folder ``out``: a checkpoint and a line of ``log.jsonl`` an epoch; pictures in between.

    ``say`` gets what stays, ``update`` at every step where the run stands. Of several processes the first alone writes;
    the caller lets it alone speak.
    """

    def __init__(
        self, recipe: Recipe, root: Path, out: Path, say: Say, device: str = "auto", update: Say | None = None
    ) -> None:
        self.recipe, self.root, self.out, self.say = recipe, root, out, say
        self.processes = distributed.count()
        self.device = distributed.own_device(choose_device(device))
        self.mixed = is_mixed(recipe.optimiser.precision, self.device)
        self.job = open_job(recipe, root)
        torch.manual_seed(recipe.seed)
        self.net: Net = build_network(recipe.network, len(self.job.labels))
        self.start = self._start(recipe.network.start) if recipe.network.start else None
        kept = self.net.state_dict() if recipe.network.start_share else {}
        self.origin = {key: value.clone() for key, value in kept.items()}
        if self.mixed and self.device.type == "cpu":
            ready_for_mixed_cpu(self.net)
        distributed.share_norms(self.net)
        self.net = self.net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = AveragedModel(
            self.net,
            multi_avg_fn=average_of(recipe.optimiser.ema),
            use_buffers=True,
        )
        self.optimiser = build_optimiser(self.net, recipe)
        self.in_step = distributed.in_step(self.net)
        self.plan = plan(recipe, self.job.stream)
        steps = sum(epoch.steps for epoch in self.plan[: recipe.optimiser.epochs])
        self.schedule = build_schedule(self.optimiser, recipe.optimiser, steps)
        self.log = RunLog(out, say, update or Throttle(say), self.job, recipe, self.plan)
        self.epoch, self.seconds, self.threads = 0, 0.0, torch.get_num_threads()
        self.entry: Entry = {}

    def _start(self, name: str) -> ModelCard:
        """Fill the network with the weights of the model ``name``, and report it; its card."""
        located = Store(load_settings()).locate(name)
        fresh = start_from(self.net, located.path)
        self.say(f"starting from {name}" + (f"; its {', '.join(fresh)} do not fit and start anew" if fresh else ""))
        return located.card

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.job.labels)

    @property
    def checkpoint_path(self) -> Path:
        return self.out / CHECKPOINT_NAME

    def resume(self) -> bool:
        """Take up the run where its last checkpoint left it; False when there is none."""
        path = self.checkpoint_path
        state = distributed.of_first(lambda: checkpoint.load(path) if path.exists() else None)
        if state is None:
            return False
        changed = differences(state["recipe"], self.recipe)
        if changed:
            raise TrainingError(
                f"{path} comes from another recipe: {diagnosis.listed(changed)}.",
                "Undo the change, choose another --out, or delete the folder.",
            )
        if self.start and state.get("start", self.start.sha256) != self.start.sha256:
            raise TrainingError(
                f"{path} started from another {self.recipe.network.start} than the one that is there now.",
                "Put the earlier one back, choose another --out, or delete the folder.",
            )
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.epoch, self.seconds, self.entry = state["epoch"], state["seconds"], state.get("entry", {})
        return True

    def train(self, validate_every: int = VALIDATE_EVERY) -> None:
        """Run the remaining epochs. Raises ``TrainingError`` for a loss that is not finite and for a full disk."""
        leads = distributed.rank() == 0
        if leads:
            self._open_log()
        total = self.recipe.optimiser.total_epochs
        while self.epoch < total:
            started = time.monotonic()
            self.entry = self._train_epoch()
            self.epoch, self.seconds = self.epoch + 1, self.seconds + time.monotonic() - started
            if leads:
                checkpoint.save(self.checkpoint_path, self.state())
                self._close_epoch(validate_every)

    def _open_log(self) -> None:
        self.log.open(
            {
                "device": str(self.device),
                "mixed": self.mixed,
                "threads": self.threads,
                "data_root": str(self.root.resolve()),
                "after_epoch": self.epoch,
            }
        )
        if self.entry and not self.log.has(self.epoch):  # killed between checkpoint and log
            self._close_epoch(VALIDATE_EVERY)

    def _close_epoch(self, validate_every: int) -> None:
        due = self.epoch == self.recipe.optimiser.total_epochs or self.epoch % validate_every == 0
        self.log.close(self.entry, self.averaged() if due else None, self.prepare)

    def _train_epoch(self) -> Entry:
        """One pass over the crops: the line of the log."""
        settings, stream = self.recipe.optimiser, self.job.stream
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.epoch + distributed.rank() * RANK_SEED)
        stream.start_epoch(self.epoch)
        batches = distributed.shares(len(stream), settings.batch)
        loader = DataLoader(stream, batch_sampler=batches, num_workers=LOADERS, prefetch_factor=4)
        if self.holding:
            hold_rate(self.optimiser, settings)
        set_training_mode(self.net, self.recipe)
        started, losses = time.monotonic(), []
        for step, (images, *truth) in enumerate(loader, start=1):
            losses.append(self.step(images, truth, batches[step - 1]))
            self.log.step(self.epoch, step, losses, time.monotonic() - started)
        return {
            "epoch": self.epoch + 1,
            "loss": round(float(np.mean(losses)), 6),
            "images_per_s": round(len(losses) * settings.batch / (time.monotonic() - started), 2),
            "rate": self.rate,
        }

    @property
    def rate(self) -> float:
        """The present learning rate, of all but the backbone."""
        return float(self.optimiser.param_groups[-1]["lr"])

    @property
    def holding(self) -> bool:
        """Whether the schedule's end is reached and the rate is held."""
        return self.epoch >= self.recipe.optimiser.epochs

    def step(self, images: Tensor, truth: Sequence[Tensor], positions: Sequence[int]) -> float:
        """Learn from a batch, that of ``positions`` in the epoch's stream; the loss.

        ``truth``: masks or classes, and soft labels where the stream has them.
        """
        prepared = self.prepare(images)
        loss = self.job.loss(self._in_step, self.net, prepared, [part.to(self.device) for part in truth])
        value = loss.item()
        if not math.isfinite(value):
            cause = diagnosis.first_not_finite(self.net, prepared, self._forward)
            raise self._not_finite(f"The loss became {value}", cause, positions)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        size = torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.recipe.optimiser.clip)
        if not size.isfinite():
            cause = diagnosis.gradient_not_finite(self.net)
            raise self._not_finite(f"The gradient became {size.item()}", cause, positions)
        self.optimiser.step()
        if not self.holding:
            self.schedule.step()
        self.average.update_parameters(self.net)
        return value

    def _in_step(self, *inputs: Any) -> Any:
        """The network's outputs, with gradients of all processes."""
        with mixed(self.device, self.mixed):
            return self.in_step(*inputs)

    def _forward(self, prepared: Tensor) -> object:
        with mixed(self.device, self.mixed):
            return self.net(prepared)

    def _not_finite(self, what: str, cause: str, positions: Sequence[int]) -> TrainingError:
        pictures = [self.job.stream.name(position) for position in positions]
        kept = f"the checkpoint of epoch {self.epoch} is kept" if self.epoch else "there is no checkpoint yet"
        return TrainingError(
            f"{what} in epoch {self.epoch + 1} at the rate {self.rate:.3g}: {cause}. "
            f"In the batch: {diagnosis.listed(pictures)}.",
            f"Lower optimiser.rate or optimiser.clip, or look at these pictures and masks; {kept}.",
        )

    def prepare(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 RGB -> float32 as the backbone expects, on the run's device, channels last."""
        backbone = self.net.backbone
        mean, std = (
            torch.tensor(v, device=self.device)[:, None, None] for v in (backbone.pixel_mean, backbone.pixel_std)
        )
        return ((images.to(self.device).float() - mean) / std).contiguous(memory_format=torch.channels_last)

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "recipe": fingerprint(self.recipe),
            "start": self.start.sha256 if self.start else "",
            "epoch": self.epoch,
            "seconds": self.seconds,
            "entry": self.entry,
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
        }

    def averaged(self, batches: int | None = None) -> Net:
        """The result: a copy of the averaged network, in evaluation mode, with batch norms of its own
        (``with_own_statistics``) and the recipe's ``start_share`` of the weights that it started from.
        """
        net = self.average.module
        assert isinstance(net, Net)
        net = with_own_statistics(net, self.recipe, self.job, self.prepare, batches)
        blend(net, self.origin, self.recipe.network.start_share)
        return net
