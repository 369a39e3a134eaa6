"""A run of a detection head: steps over cached maps, averaged weights, a log, checkpoints; it can be taken up."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from maskery.core.arrays import Halves
from maskery.core.errors import TrainingError
from maskery.core.files import writing
from maskery.training import checkpoint
from maskery.training.detection.box_labels import read_box_lines
from maskery.training.detection.detection_head import DetectionHead
from maskery.training.detection.detection_loss import Assigner, detection_loss
from maskery.training.detection.detection_recipe import DetectionRecipe
from maskery.training.detection.map_cache import MapCache, MapEncoder

MAPS_FOLDER = "maps"
MINUTE = 60.0
LAYOUT = torch.channels_last
"""Its gradients of depthwise convolutions take two thirds of the time on a CPU."""
Say = Callable[[str], None]


class DetectionRun:
    """``folder``: of the run; ``data_root``: instead of the recipe's. Raises ``DataError`` and ``ConfigError``."""

    def __init__(self, recipe: DetectionRecipe, folder: Path, say: Say, data_root: Path | None = None) -> None:
        if data_root:
            data = msgspec.structs.replace(recipe.data, root=str(data_root))
            recipe = msgspec.structs.replace(recipe, data=data)
        self.recipe, self.folder, self.say = recipe, folder, say
        self.lines = read_box_lines(Path(recipe.data.boxes), len(recipe.data.labels))
        encoder = MapEncoder(recipe.encoder, torch.get_num_threads())
        self.cache = MapCache(self.lines, recipe.data, encoder, folder / MAPS_FOLDER, recipe.seed)
        torch.manual_seed(recipe.seed)
        classes = len(recipe.data.labels)
        head = DetectionHead(encoder.channels, classes, recipe.head.fine, recipe.head.coarse)
        self.head = head.to(memory_format=LAYOUT)  # type: ignore[call-overload]
        decay = get_ema_multi_avg_fn(recipe.optimiser.ema)  # type: ignore[no-untyped-call]
        self.average = AveragedModel(self.head, multi_avg_fn=decay, use_buffers=True)
        settings = recipe.optimiser
        self.optimiser = torch.optim.AdamW(self.head.parameters(), settings.rate, weight_decay=settings.weight_decay)
        self.assigner = Assigner(recipe.data.side, classes)
        self.steps = 0
        self._times = np.array([self._emphasis(line.picture) for line in self.lines])
        self.steps_an_epoch = max(1, round(float(self._times.sum()) / settings.batch))

    def _emphasis(self, picture: str) -> float:
        return next((one.times for one in self.recipe.data.emphasis if picture.startswith(one.path)), 1.0)

    @property
    def checkpoint_path(self) -> Path:
        return self.folder / checkpoint.CHECKPOINT_NAME

    @property
    def total_steps(self) -> int:
        return self.recipe.optimiser.epochs * self.steps_an_epoch

    def train(self) -> None:
        """Every step that is left. Raises ``TrainingError`` where the loss is not finite."""
        order, order_epoch = np.zeros((0, 2), np.int64), -1
        sums, said, started = list[dict[str, float]](), time.monotonic(), time.monotonic()
        while self.steps < self.total_steps:
            epoch, step = divmod(self.steps, self.steps_an_epoch)
            if epoch != order_epoch:
                order, order_epoch = self._order(epoch), epoch
            batch = order[step * self.recipe.optimiser.batch :][: self.recipe.optimiser.batch]
            sums.append(self.step(batch))
            if time.monotonic() - said > MINUTE or self.steps % self.steps_an_epoch == 0:
                self._note(sums, time.monotonic() - started)
                said = time.monotonic()
                sums.clear()

    def _order(self, epoch: int) -> NDArray[np.int64]:
        """(N, 2): pictures of an epoch, and which view of each is shown.

        Each comes as often as its emphasis says, by chance where that is no whole number.
        """
        rng = np.random.default_rng((self.recipe.seed, epoch))
        times = np.floor(self._times).astype(int)
        times = times + (rng.random(len(times)) < self._times - times)
        order = rng.permutation(np.repeat(np.arange(len(times)), times))
        order = np.resize(order, self.steps_an_epoch * self.recipe.optimiser.batch)
        return np.stack([order, rng.integers(self.recipe.data.views, size=len(order))], 1)

    def step(self, batch: NDArray[np.int64]) -> dict[str, float]:
        """One step of the weights on some views of pictures, (N, 2)."""
        views = [self.cache.read(int(index), int(view)) for index, view in batch]
        fine = _stacked([view[0] for view in views])
        coarse = _stacked([view[1] for view in views])
        self.head.train()
        logits, distances = self.head(fine, coarse)
        loss, parts = detection_loss(logits, distances, [view[2] for view in views], self.assigner)
        if not torch.isfinite(loss):
            names = ", ".join(self.lines[int(index)].picture for index, _ in batch)
            raise TrainingError(f"The loss of step {self.steps} is {loss.item()}, of {names}.", "Lower the rate.")
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate_at(self.steps)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.head.parameters(), self.recipe.optimiser.clip)
        self.optimiser.step()
        self.average.update_parameters(self.head)
        self.steps += 1
        return parts

    def rate_at(self, step: int) -> float:
        """A rise, a constant rate, and a straight fall to zero."""
        settings = self.recipe.optimiser
        left = (self.total_steps - step) / (settings.fall * self.steps_an_epoch)
        return settings.rate * min(1.0, (step + 1) / settings.rise, left)

    def _note(self, sums: list[dict[str, float]], seconds: float) -> None:
        """Say and log where the run stands, and keep it."""
        means = {name: round(float(np.mean([one[name] for one in sums])), 4) for name in sums[0]}
        entry = {"step": self.steps, "of": self.total_steps, **means, "rate": self.rate_at(self.steps)}
        self.say(", ".join(f"{name} {value}" for name, value in entry.items()) + f", {seconds:.0f} s")
        with writing(self.folder), (self.folder / checkpoint.LOG_NAME).open("a", encoding="utf-8") as log:
            log.write(json.dumps(entry) + "\n")
        checkpoint.save(self.checkpoint_path, self.state())

    def state(self) -> dict[str, Any]:
        """All that a run needs to go on."""
        return {
            "fingerprint": decisive(self.recipe),
            "steps": self.steps,
            "head": self.head.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def resume(self) -> bool:
        """Take up the last checkpoint, where there is one. Raises ``TrainingError`` for one of another recipe."""
        if not self.checkpoint_path.is_file():
            return False
        state = checkpoint.load(self.checkpoint_path)
        if state.get("fingerprint") != decisive(self.recipe):
            raise TrainingError(
                f"{self.folder} holds a run of another recipe.",
                "Only optimiser.epochs may change; choose another --out.",
            )
        self.steps = state["steps"]
        for name in ("head", "average", "optimiser"):
            getattr(self, name).load_state_dict(state[name])
        return True

    def result(self) -> DetectionHead:
        """The averaged weights, in evaluation mode."""
        head = self.average.module
        assert isinstance(head, DetectionHead)
        return head.eval()


def _stacked(maps: list[Halves]) -> Tensor:
    return torch.from_numpy(np.stack(maps).astype(np.float32)).to(memory_format=LAYOUT)


def decisive(recipe: DetectionRecipe) -> str:
    """What decides the weights, as text: all but the name, the text of the card, places and the number of epochs."""
    data = msgspec.structs.replace(recipe.data, root="", boxes="")
    optimiser = msgspec.structs.replace(recipe.optimiser, epochs=1)
    parts = (recipe.seed, data, recipe.head, optimiser)
    return msgspec.json.encode(parts, order="deterministic").decode()
