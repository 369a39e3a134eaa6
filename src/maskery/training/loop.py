"""The training loop: epochs, averaged weights, checkpoints, resume. The same seed gives the same weights."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from maskery.datasets.base import Concatenated, SegmentationData, read_rgb
from maskery.datasets.formats import open_dataset
from maskery.errors import ConfigError, TrainingError, nearest
from maskery.labels import LABEL_SETS
from maskery.metrics import Confusion, Quality, mean_iou, quality
from maskery.training import checkpoint
from maskery.training.crops import Crops
from maskery.training.losses import total_loss
from maskery.training.nets.base import Net
from maskery.training.nets.build import build_network
from maskery.training.nets.efficientnet_lite import PIXEL_MEAN, PIXEL_STD
from maskery.training.recipe import Recipe, Source

Say = Callable[[str], None]


class Run:
    """One training run in folder ``out``: ``checkpoint.pt`` (the latest epoch), ``log.jsonl`` (a line a validation)."""

    def __init__(self, recipe: Recipe, root: Path, out: Path, say: Say) -> None:
        if recipe.data.labels not in LABEL_SETS:
            raise ConfigError(f"Unknown label set {recipe.data.labels!r}.", nearest(recipe.data.labels, LABEL_SETS))
        self.recipe, self.root, self.out, self.say = recipe, root, out, say
        self.labels = LABEL_SETS[recipe.data.labels]
        train = Concatenated([self._open(source) for source in recipe.data.train])
        self.validation = self._open(recipe.data.validate)
        torch.manual_seed(recipe.seed)
        self.net = build_network(recipe.network, len(self.labels)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = AveragedModel(
            self.net,
            multi_avg_fn=get_ema_multi_avg_fn(recipe.optimiser.ema),  # type: ignore[no-untyped-call]
            use_buffers=True,
        )
        self.say(f"reading the classes of {len(train)} training masks")
        self.crops = Crops(train, recipe.data, recipe.seed)
        steps = 0
        for epoch in range(recipe.optimiser.epochs):
            self.crops.start_epoch(epoch)
            steps += len(self.crops) // recipe.optimiser.batch
        if steps == 0:
            raise ConfigError("The data set is smaller than one batch.", "Lower optimiser.batch.")
        self.optimiser = torch.optim.AdamW(self._parameters(), weight_decay=recipe.optimiser.weight_decay)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser,
            max_lr=[group["lr"] for group in self.optimiser.param_groups],
            total_steps=steps,
            pct_start=recipe.optimiser.warmup,
        )
        self.epoch, self.seconds, self.threads = 0, 0.0, torch.get_num_threads()

    def _open(self, source: Source) -> SegmentationData:
        return open_dataset(self.root / source.path, source.split, self.labels, source.format)

    def _parameters(self) -> list[dict[str, object]]:
        for layer in self._frozen():
            layer.requires_grad_(False)
        settings = self.recipe.optimiser
        backbone = [p for p in self.net.backbone.parameters() if p.requires_grad]
        known = {id(p) for p in self.net.backbone.parameters()}
        decoder = [p for p in self.net.parameters() if id(p) not in known]
        return [
            {"params": backbone, "lr": settings.rate * settings.backbone_factor},
            {"params": decoder, "lr": settings.rate},
        ]

    def _frozen(self) -> list[torch.nn.Module]:
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

    def train(self, validate_every: int = 3) -> Quality:
        """Run the remaining epochs and return the quality of the averaged weights on the validation split."""
        total = self.recipe.optimiser.total_epochs
        result: Quality | None = None
        while self.epoch < total:
            started = time.monotonic()
            loss, rate = self._train_epoch(total)
            self.epoch, self.seconds = self.epoch + 1, self.seconds + time.monotonic() - started
            self._save()
            entry = {"epoch": self.epoch, "loss": round(loss, 4), "images_per_s": round(rate, 2)}
            result = None
            if self.epoch % validate_every == 0 or self.epoch == total:
                result = self.validate()
                entry |= {"miou": result.miou, "miou20": mean_iou(result), "pixel_accuracy": result.pixel_accuracy}
            self.say(" ".join(f"{k} {v:.4g}" for k, v in entry.items()))
            with (self.out / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(entry) + "\n")
        return result or self.validate()

    def _train_epoch(self, total: int) -> tuple[float, float]:
        """One pass over the crops: mean loss and images a second."""
        settings = self.recipe.optimiser
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.epoch)
        self.crops.start_epoch(self.epoch)
        loader = DataLoader(self.crops, batch_size=settings.batch, drop_last=True, num_workers=2, prefetch_factor=4)
        self._hold_rate()
        self.net.train()
        for layer in self._frozen():
            layer.eval()
        started, losses = time.monotonic(), []
        for step, (images, masks) in enumerate(loader, start=1):
            losses.append(self._step(images, masks))
            if step % 20 == 0 or step == len(loader):
                seconds = time.monotonic() - started
                left = seconds / step * (len(loader) * (total - self.epoch) - step)
                self.say(
                    f"epoch {self.epoch + 1}/{total} step {step}/{len(loader)} loss {np.mean(losses[-20:]):.3f} "
                    f"{step * settings.batch / seconds:.1f} images/s, {left / 60:.0f} min left"
                )
        return float(np.mean(losses)), len(losses) * settings.batch / (time.monotonic() - started)

    @property
    def _holding(self) -> bool:
        return self.epoch >= self.recipe.optimiser.epochs

    def _hold_rate(self) -> None:
        """After the schedule's end: the constant rate, the backbone's by its factor."""
        settings = self.recipe.optimiser
        if self._holding:
            for group, factor in zip(self.optimiser.param_groups, (settings.backbone_factor, 1.0), strict=True):
                group["lr"] = settings.hold_rate * factor

    def _step(self, images: Tensor, masks: Tensor) -> float:
        settings = self.recipe.optimiser
        loss = total_loss(self.net(normalise(images)), masks, self.recipe.loss)
        value = loss.item()
        if not math.isfinite(value):
            raise TrainingError(
                f"The loss became {value} in epoch {self.epoch + 1}.",
                "Lower optimiser.rate; the last checkpoint is kept.",
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), settings.clip)
        self.optimiser.step()
        if not self._holding:
            self.schedule.step()
        self.average.update_parameters(self.net)
        return value

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

    def validate(self) -> Quality:
        """Quality of the averaged weights at the pictures' own size: a quick look; ``evaluate`` is the measure."""
        net, confusion = self.averaged(), Confusion(len(self.labels))
        with torch.inference_mode():
            for i in range(len(self.validation)):
                image = np.asarray(read_rgb(self.validation.image_path(i)))
                batch = torch.from_numpy(image.copy()).permute(2, 0, 1)[None]
                logits = F.interpolate(net(_to_multiple(normalise(batch), 32)), scale_factor=4.0, mode="bilinear")
                predicted = logits[0, :, : image.shape[0], : image.shape[1]].argmax(0)
                confusion.add(self.validation.mask(i), predicted.numpy())
        return quality(confusion, self.labels)


def normalise(images: Tensor) -> Tensor:
    """(N, 3, H, W) uint8 RGB -> float32 as the backbone expects, channels last."""
    return ((images.float() - PIXEL_MEAN) / PIXEL_STD).contiguous(memory_format=torch.channels_last)


def _to_multiple(x: Tensor, multiple: int) -> Tensor:
    return F.pad(x, [0, -x.shape[3] % multiple, 0, -x.shape[2] % multiple])


def fingerprint(recipe: Recipe) -> str:
    """The part of the recipe that decides the weights, as canonical text: a checkpoint belongs to exactly one."""
    parts = {name: getattr(recipe, name) for name in ("name", "seed", "data", "network", "optimiser", "loss")}
    return msgspec.json.encode(parts, order="deterministic").decode()
