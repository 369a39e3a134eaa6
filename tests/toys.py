"""Models without weights that say what a picture's colours say, and data sets made for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskery.core.arrays import Array
from maskery.core.card import ModelCard
from maskery.inference.pipeline import Model
from maskery.models.card_toml import parse_card

STEP = 20  # levels of red from one class to the next


@dataclass(frozen=True)
class Reds:
    """Class = red // STEP: of each pixel as a class map, or of the whole picture as scores."""

    classes: int
    pictures: bool = False

    device, runtime, batches = "cpu", "numpy", True

    def run(self, inputs: Mapping[str, Array], keep: bool = True) -> dict[str, Array]:
        ids = np.asarray(inputs["x"])[:, 0].astype(np.int64) // STEP
        if not self.pictures:
            return {"y": np.minimum(ids, self.classes - 1).astype(np.int64)}
        scores = np.bincount(ids.ravel(), minlength=self.classes)[: self.classes].astype(np.float32)
        return {"y": (scores / scores.sum())[None]}


def card(labels: Sequence[str], task: str = "semantic", **changes: Any) -> ModelCard:
    kind = {"semantic": ("class-map", "HW"), "classification": ("scores", "C"), "foreground": ("foreground", "HW")}[
        task
    ]
    plain = {
        "name": "reds",
        "version": "1",
        "task": task,
        "description": "a toy",
        "file": "reds.onnx",
        "sha256": "0" * 64,
        "bytes": 1,
        "url": "",
        "licence": {"name": "MIT", "commercial_use": True},
        "labels": list(labels),
        "input": {"tensor": "x", "layout": "NCHW", "resize": "multiple", "min_side": 1},
        "output": {"tensor": "y", "kind": kind[0], "layout": kind[1]},
    }
    return parse_card(plain | changes, "toy")


def reds(labels: Sequence[str], task: str = "semantic") -> Model:
    """The toy model with these classes."""
    return Model(card(labels, task), Reds(len(labels), task == "classification"))


def add(root: Path, name: str, seen: NDArray[np.integer], truth: NDArray[np.integer], split: str = "val") -> None:
    """A picture in which the toy model sees the ids ``seen``, with the mask ``truth``; (H, W) both."""
    for kind in ("images", "masks"):
        (root / kind / split).mkdir(parents=True, exist_ok=True)
    picture = np.zeros((*seen.shape, 3), np.uint8)
    picture[..., 0] = seen * STEP + STEP // 2
    Image.fromarray(picture).save(root / "images" / split / f"{name}.png")
    Image.fromarray(truth.astype(np.uint8)).save(root / "masks" / split / f"{name}.png")
