"""Results to encode, and readers of what comes out."""

import io
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskery.core.result.instances import Instance, InstanceResult, crop_mask
from maskery.core.result.meta import MAPS, Colour, Frame, Meta, ModelInfo
from maskery.core.result.types import ClassificationResult, ForegroundResult, SemanticResult

LABELS = ("background", "cat", "dog")
PALETTE: tuple[Colour, ...] = ((0, 0, 0), (200, 30, 60), (10, 240, 90))
MODEL = ModelInfo("tiny", "1.2", "ab" * 32)
TIMINGS = {"decode": 1.5, "run": 20.25}


def frame(shape: tuple[int, ...]) -> Frame:
    size = (shape[1], shape[0])
    return Frame(original_wh=size, orientation=6, working_wh=(512, 256), scale_xy=(0.5, 0.25), padding=(0, 1, 2, 3))


def meta(task: str, shape: tuple[int, ...], labels: tuple[str, ...], palette: tuple[Colour, ...]) -> Meta:
    return Meta(task=task, labels=labels, palette=palette, frame=frame(shape), model=MODEL, timings_ms=TIMINGS)


def semantic(
    class_map: NDArray[np.uint8] | NDArray[np.uint16],
    labels: tuple[str, ...] = LABELS,
    palette: tuple[Colour, ...] = PALETTE,
) -> SemanticResult:
    about = meta("semantic", class_map.shape, labels, palette)
    return SemanticResult(meta=about, class_map=class_map, decided_by="interpolated scores")


def with_maps(class_map: NDArray[np.uint8], seed: int = 0) -> SemanticResult:
    random = np.random.default_rng(seed)
    return replace(semantic(class_map), maps={name: random.random(class_map.shape, np.float32) for name in MAPS})


def foreground(alpha: NDArray[np.uint8]) -> ForegroundResult:
    return ForegroundResult(meta("foreground", alpha.shape, ("background", "person"), PALETTE[:2]), alpha)


def classification() -> ClassificationResult:
    labels = tuple("abcdefg")
    scores = np.array([0.05, 0.4, 0.1, 0.2, 0.05, 0.15, 0.05], np.float32)
    return ClassificationResult(meta("classification", (4, 4), labels, ((1, 2, 3),) * 7), scores)


def instances(height: int = 12, width: int = 16) -> InstanceResult:
    """A dog at the upper left, surer than the cat that it hides a part of; and a second dog, without a mask."""
    dog, cat = np.zeros((2, height, width), np.bool_)
    dog[1:7, 1:9], cat[4:10, 6:12] = True, True
    found = (
        Instance(id=1, class_id=2, score=0.9, box_xyxy=(1, 1, 9, 7), mask=crop_mask(dog)),
        Instance(id=2, class_id=1, score=0.75, box_xyxy=(6, 4, 12, 10), mask=crop_mask(cat), track_id=7),
        Instance(id=3, class_id=2, score=0.5, box_xyxy=(13, 9, 15, 11)),
    )
    return InstanceResult(meta("instance", (height, width), LABELS, PALETTE), found)


def halves(height: int = 12, width: int = 16) -> NDArray[np.uint8]:
    """Background above, a cat at the lower left, a dog at the lower right."""
    ids = np.zeros((height, width), np.uint8)
    ids[height // 2 :, : width // 2] = 1
    ids[height // 2 :, width // 2 :] = 2
    return ids


def photo(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (*shape[:2], 3), np.uint8)


def opened(data: bytes) -> Image.Image:
    """The decoded picture; raises where the file is not in order."""
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def pixels(data: bytes) -> NDArray[np.generic]:
    return np.asarray(opened(data))
