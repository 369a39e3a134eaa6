"""The training loop: epochs, averaged weights, checkpoints, resume. The same seed gives the same weights."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from maskery.errors import ConfigError, TrainingError
from maskery.settings import load_settings
from maskery.training import checkpoint
from maskery.training.jobs import open_job
from maskery.training.losses import total_loss
from maskery.training.nets.base import Net
from maskery.training.nets.build import build_network
from maskery.training.precision import choose_device, is_mixed, mixed, ready_for_mixed_cpu
from maskery.training.recipe import Optimiser, Recipe
from maskery.training.start import start_from
from maskery.zoo.store import Store

Say = Callable[[str], None]


class Run:
    """One training run in folder ``out``: ``checkpoint.pt`` (the latest epoch), ``log.jsonl`` (a line an epoch)."""

    def __init__(self, recipe: Recipe, root: Path, out: Path, say: Say, device: str = "auto") -> None:
        self.recipe, self.root, self.out, self.say = recipe, root, out, say
        self.device = choose_device(device)
        self.mixed = is_mixed(recipe.optimiser.precision, self.device)
        self.job = open_job(recipe, root)
        torch.manual_seed(recipe.seed)
        self.net: Net = build_network(recipe.network, len(self.job.labels))
        if recipe.network.start:
            self._start(recipe.network.start)
        if self.mixed and self.device.type == "cpu":
            ready_for_mixed_cpu(self.net)
        self.net = self.net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = AveragedModel(
            self.net,
            multi_avg_fn=_average_of(recipe.optimiser.ema),
            use_buffers=True,
        )
        self.optimiser = self._optimiser()
        self.schedule = _schedule(self.optimiser, recipe.optimiser, self._steps())
        self.epoch, self.seconds, self.threads = 0, 0.0, torch.get_num_threads()

    def _start(self, name: str) -> None:
        fresh = start_from(self.net, Store(load_settings()).locate(name).path)
        self.say(f"starting from {name}" + (f"; its {', '.join(fresh)} do not fit and start anew" if fresh else ""))

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.job.labels)

    def _steps(self) -> int:
        steps = 0
        for epoch in range(self.recipe.optimiser.epochs):
            self.job.stream.start_epoch(epoch)
            steps += len(self.job.stream) // self.recipe.optimiser.batch
        if steps == 0:
            raise ConfigError("The data set is smaller than one batch.", "Lower optimiser.batch, or raise data.passes.")
        return steps

    def _optimiser(self) -> torch.optim.Optimizer:
        for layer in self._frozen():
            layer.requires_grad_(False)
        settings, backbone = self.recipe.optimiser, self.net.backbone
        known = {id(p) for p in backbone.parameters()}
        groups = [
            {
                "params": [p for p in backbone.parameters() if p.requires_grad],
                "lr": settings.rate * settings.backbone_factor,
            },
            {"params": [p for p in self.net.parameters() if id(p) not in known], "lr": settings.rate},
        ]
        if settings.name == "sgd":
            return torch.optim.SGD(groups, momentum=settings.momentum, weight_decay=settings.weight_decay)
        return torch.optim.AdamW(groups, weight_decay=settings.weight_decay)

    def _frozen(self) -> list[nn.Module]:
        blocks = self.recipe.network.frozen_blocks
        return list(self.net.backbone.early_layers(blocks)) if blocks else []

    @property
    def checkpoint_path(self) -> Path:
        return self.out / "checkpoint.pt"

    def resume(self) -> bool:
        """Take up the run where its last checkpoint left it; False when there is none."""
        if not self.checkpoint_path.exists():
            return False
        state = checkpoint.load(self.checkpoint_path)
        if state["recipe"] != fingerprint(self.recipe):
            raise TrainingError(
                f"{self.checkpoint_path} comes from another recipe.", "Choose another --out, or delete the folder."
            )
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.epoch, self.seconds = state["epoch"], state["seconds"]
        return True

    def train(self, validate_every: int = 3) -> None:
        """Run the remaining epochs. Raises ``TrainingError`` for a loss that is not finite and for a full disk."""
        total = self.recipe.optimiser.total_epochs
        while self.epoch < total:
            started = time.monotonic()
            loss, rate = self._train_epoch(total)
            self.epoch, self.seconds = self.epoch + 1, self.seconds + time.monotonic() - started
            self._save()
            entry = {"epoch": self.epoch, "loss": round(loss, 4), "images_per_s": round(rate, 2)}
            if self.epoch % validate_every == 0 or self.epoch == total:
                entry |= self.job.validate(self.averaged(), self.prepare)
            self.say(" ".join(f"{k} {v:.4g}" for k, v in entry.items()))
            with (self.out / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(entry) + "\n")

    def _train_epoch(self, total: int) -> tuple[float, float]:
        """One pass over the crops: mean loss and images a second."""
        settings = self.recipe.optimiser
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.epoch)
        self.job.stream.start_epoch(self.epoch)
        loader = DataLoader(
            self.job.stream, batch_size=settings.batch, drop_last=True, num_workers=2, prefetch_factor=4
        )
        self._hold_rate()
        self._training_mode()
        started, losses = time.monotonic(), []
        for step, (images, targets) in enumerate(loader, start=1):
            losses.append(self._step(images, targets))
            if step % 20 == 0 or step == len(loader):
                seconds = time.monotonic() - started
                left = seconds / step * (len(loader) * (total - self.epoch) - step)
                self.say(
                    f"epoch {self.epoch + 1}/{total} step {step}/{len(loader)} loss {np.mean(losses[-20:]):.3f} "
                    f"{step * settings.batch / seconds:.1f} images/s, {left / 60:.0f} min left"
                )
        return float(np.mean(losses)), len(losses) * settings.batch / (time.monotonic() - started)

    def _training_mode(self) -> None:
        self.net.train()
        still = self._frozen()
        network = self.recipe.network
        if network.frozen_norm or network.start:
            part = self.net if network.start else self.net.backbone
            still += [m for m in part.modules() if isinstance(m, nn.BatchNorm2d)]
        for layer in still:
            layer.eval()

    @property
    def _holding(self) -> bool:
        return self.epoch >= self.recipe.optimiser.epochs

    def _hold_rate(self) -> None:
        """After the schedule's end: the constant rate, the backbone's by its factor."""
        settings = self.recipe.optimiser
        if self._holding:
            for group, factor in zip(self.optimiser.param_groups, (settings.backbone_factor, 1.0), strict=True):
                group["lr"] = settings.hold_rate * factor

    def _step(self, images: Tensor, targets: Tensor) -> float:
        with mixed(self.device, self.mixed):
            outputs = self.net(self.prepare(images))
        loss = total_loss(outputs, targets.to(self.device), self.recipe.loss)
        value = loss.item()
        if not math.isfinite(value):
            raise TrainingError(
                f"The loss became {value} in epoch {self.epoch + 1}.",
                "Lower optimiser.rate; the last checkpoint is kept.",
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.recipe.optimiser.clip)
        self.optimiser.step()
        if not self._holding:
            self.schedule.step()
        self.average.update_parameters(self.net)
        return value

    def prepare(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 RGB -> float32 as the backbone expects, on the run's device, channels last."""
        backbone = self.net.backbone
        mean, std = (
            torch.tensor(v, device=self.device)[:, None, None] for v in (backbone.pixel_mean, backbone.pixel_std)
        )
        return ((images.to(self.device).float() - mean) / std).contiguous(memory_format=torch.channels_last)

    def _save(self) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        state = {
            "recipe": fingerprint(self.recipe),
            "epoch": self.epoch,
            "seconds": self.seconds,
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
        }
        checkpoint.save(self.checkpoint_path, state)

    def averaged(self) -> Net:
        """The averaged network, in evaluation mode."""
        net = self.average.module
        assert isinstance(net, Net)
        return net.eval()


Tensors = tuple[Tensor, ...] | list[Tensor]


def _average_of(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """An exponential average that forgets the first, random weights: its decay begins low and grows to ``decay``."""

    def update(averaged: Tensors, current: Tensors, done: Tensor | int) -> None:
        now = min(decay, (1 + int(done)) / (10 + int(done)))
        get_ema_multi_avg_fn(now)(averaged, current, done)  # type: ignore[no-untyped-call]

    return update


def _schedule(
    optimiser: torch.optim.Optimizer, settings: Optimiser, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    if settings.schedule == "one-cycle":
        rates = [group["lr"] for group in optimiser.param_groups]
        return torch.optim.lr_scheduler.OneCycleLR(
            optimiser, max_lr=rates, total_steps=steps, pct_start=settings.warmup
        )
    rising = max(1, round(settings.warmup * steps))

    def factor(step: int) -> float:
        return (step + 1) / rising if step < rising else (1 - (step - rising) / max(1, steps - rising)) ** 0.9

    return torch.optim.lr_scheduler.LambdaLR(optimiser, factor)


def fingerprint(recipe: Recipe) -> str:
    """The part of the recipe that decides the weights, as canonical text: a checkpoint belongs to exactly one."""
    parts = {name: getattr(recipe, name) for name in ("name", "seed", "data", "network", "optimiser", "loss")}
    return msgspec.json.encode(parts, order="deterministic").decode()
