"""What a run of ``prompt`` learns and how it is judged: objects, a dialogue about each, masks."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from maskery.core.arrays import Mask
from maskery.core.labels import voc_palette
from maskery.datasets.base import ObjectPicture, read_rgb
from maskery.datasets.object_masks import open_objects
from maskery.evaluation.simulated_clicks import iou, next_click
from maskery.inference.prompts.prompt_maps import prompt_maps
from maskery.training.contact_sheet import ROWS, mask_sheet, spread
from maskery.training.crops import Stream, pixels
from maskery.training.networks.base import Net
from maskery.training.prompt_crops import PromptCrops, window_around
from maskery.training.prompt_dialogue import CELLS, Asked, Dialogue, best_of, drawn_generator, former_of, rounds_of
from maskery.training.prompt_loss import prompt_loss
from maskery.training.recipe import Recipe

LABELS = ("background", "object")
CLICKS = 3
ROOM = 1.5
"""Side of a validation crop in longer sides of the object."""
MOST_VALIDATED = 128


class PromptTask:
    """``score``: the mean IoU of held-out objects from a box, from one click and after three."""

    score = "iou"
    labels = LABELS

    def __init__(self, recipe: Recipe, root: Path) -> None:
        self.recipe, settings = recipe, recipe.prompts
        learnt, times, held = list[ObjectPicture](), list[float](), list[ObjectPicture]()
        for source in recipe.data.train:
            found = open_objects(root / source.path, source.split, source.format, settings.least_area)
            kept = [one for i, one in enumerate(found) if i % settings.held_out]
            held += found[:: settings.held_out]
            learnt += kept
            times += [source.times] * len(kept)
        self.held = [held[i] for i in spread(len(held), min(len(held), MOST_VALIDATED))]
        self.pictures = len(learnt)
        self.stream: Stream = PromptCrops(learnt, times, recipe)

    @property
    def validation_pictures(self) -> int:
        return len(self.held)

    def loss(self, forward: Callable[..., Any], net: Net, prepared: Tensor, truth: Sequence[Tensor]) -> Tensor:
        """The mean over the rounds of a dialogue; every round learns."""
        return self._talk(forward, net, prepared, truth[0], drawn_generator())

    def look(self, net: Net, prepared: Tensor, truth: Sequence[Tensor]) -> object:
        return self._talk(net, net, prepared, truth[0], np.random.default_rng(self.recipe.seed))

    def _talk(
        self,
        forward: Callable[..., Any],
        net: Net,
        prepared: Tensor,
        objects: Tensor,
        rng: np.random.Generator,
    ) -> Tensor:
        target = objects.flatten(0, 1)
        maps = net.backbone(prepared)
        if not net.training:
            maps = [one.repeat_interleave(objects.shape[1], 0) for one in maps]
        dialogue = Dialogue(target.cpu().numpy(), self.recipe.prompts, rng)
        losses, rounds = list[Tensor](), rounds_of(self.recipe.prompts, rng)
        for i in range(rounds):
            logits, scores = forward(maps, dialogue.prompts().to(prepared.device, memory_format=torch.channels_last))
            losses.append(prompt_loss(logits.float(), scores.float(), target, self.recipe.prompts.edge_weight))
            if i + 1 < rounds:
                dialogue.correct(best_of(logits, scores))
        return torch.stack(losses).mean()

    def validate(
        self, net: nn.Module, prepare: Callable[[Tensor], Tensor], most: int | None = None
    ) -> dict[str, float]:
        """Of the largest object of each held-out picture, in a crop around it."""
        found = [self._judge(cast(Net, net), prepare, one) for one in self.held[:most]]
        box, *clicks = (float(np.mean(column)) for column in zip(*found, strict=True))
        score = float(np.mean([box, clicks[0], clicks[-1]]))
        return {"iou": score, "box": box} | {f"click{i}": value for i, value in enumerate(clicks, 1)}

    def _judge(self, net: Net, prepare: Callable[[Tensor], Tensor], source: ObjectPicture) -> list[float]:
        """IoU from the true box, then after each click."""
        maps, truth, judged = self._shown(net, prepare, source)
        rows, columns = np.flatnonzero(truth.any(1)), np.flatnonzero(truth.any(0))
        if not len(rows):
            return [1.0] * (1 + CLICKS)
        left, top, right, bottom = (float(v) / CELLS for v in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
        answer, _ = _answer(net, maps, Asked(box=(left, top, right, bottom)))
        found, asked, predicted = [iou(truth, answer, judged)], Asked(), np.zeros_like(truth)
        for _ in range(CLICKS):
            click = next_click(truth, predicted, judged)
            if click is not None:
                x, y = click.centre_xy
                (asked.positive if click.positive else asked.negative).append((x / CELLS, y / CELLS))
                predicted, asked.former = _answer(net, maps, asked)
            found.append(iou(truth, predicted, judged))
        return found

    def _shown(
        self, net: Net, prepare: Callable[[Tensor], Tensor], source: ObjectPicture
    ) -> tuple[list[Tensor], Mask, Mask]:
        """The encoder's maps of a crop, the object's mask there, and which pixels are judged."""
        mask, side = max(source.objects, key=lambda one: one.area), self.recipe.data.crop
        window = window_around(mask, ROOM)
        image = window.picture(read_rgb(source.path), side)
        truth, ignored = (window.mask(one, side // self.recipe.data.mask_stride) for one in (mask, source.ignored))
        with torch.inference_mode():
            return net.backbone(prepare(pixels(image)[None])), truth == 1, ignored == 0

    def sheet(self, net: nn.Module, prepare: Callable[[Tensor], Tensor]) -> Image.Image:
        """Rows of crop, truth and what one click gives."""
        rows = []
        for i in spread(len(self.held), ROWS):
            maps, truth, judged = self._shown(cast(Net, net), prepare, self.held[i])
            click = next_click(truth, np.zeros_like(truth), judged)
            x, y = click.centre_xy if click else (1.0, 1.0)
            answer, _ = _answer(cast(Net, net), maps, Asked(positive=[(x / CELLS, y / CELLS)]))
            rows.append((self._picture(self.held[i]), truth.astype(np.uint8), answer.astype(np.uint8)))
        return mask_sheet(rows, voc_palette(2))

    def _picture(self, source: ObjectPicture) -> Image.Image:
        window = window_around(max(source.objects, key=lambda one: one.area), ROOM)
        return window.picture(read_rgb(source.path), self.recipe.data.crop)


def _answer(net: Net, maps: list[Tensor], asked: Asked) -> tuple[Mask, NDArray[np.float32]]:
    """The best candidate (H, W) bool, and its probabilities (h, w) for the next round."""
    size_hw = (int(maps[1].shape[2]), int(maps[1].shape[3]))
    drawn = prompt_maps(asked.positive, asked.negative, asked.box, asked.former, size_hw)
    with torch.inference_mode():
        logits, scores = net(maps, torch.from_numpy(drawn)[None].to(maps[0].device))
        best = best_of(logits.float(), scores).cpu()
    return (best[0] > 0).numpy(), former_of(best)[0]
