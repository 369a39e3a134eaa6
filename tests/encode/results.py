"""Results to encode, and readers of what comes out."""

import io
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskery.core.result.types import (
    MAPS,
    ClassificationResult,
    Colour,
    ForegroundResult,
    Frame,
    ModelInfo,
    SemanticResult,
)

LABELS = ("background", "cat", "dog")
PALETTE: tuple[Colour, ...] = ((0, 0, 0), (200, 30, 60), (10, 240, 90))
MODEL = ModelInfo("tiny", "1.2", "ab" * 32)
TIMINGS = {"decode": 1.5, "run": 20.25}


def frame(shape: tuple[int, ...]) -> Frame:
    return Frame((shape[1], shape[0]), 6, (512, 256), (0.5, 0.25), (0, 1, 2, 3))


def semantic(
    class_map: NDArray[np.uint8] | NDArray[np.uint16],
    labels: tuple[str, ...] = LABELS,
    palette: tuple[Colour, ...] = PALETTE,
) -> SemanticResult:
    return SemanticResult(
        labels, palette, frame(class_map.shape), MODEL, TIMINGS, class_map, decided_by="interpolated scores"
    )


def with_maps(class_map: NDArray[np.uint8], seed: int = 0) -> SemanticResult:
    random = np.random.default_rng(seed)
    return replace(semantic(class_map), maps={name: random.random(class_map.shape, np.float32) for name in MAPS})


def foreground(alpha: NDArray[np.uint8]) -> ForegroundResult:
    return ForegroundResult(("background", "person"), PALETTE[:2], frame(alpha.shape), MODEL, TIMINGS, alpha)


def classification() -> ClassificationResult:
    labels = tuple("abcdefg")
    scores = np.array([0.05, 0.4, 0.1, 0.2, 0.05, 0.15, 0.05], np.float32)
    return ClassificationResult(labels, ((1, 2, 3),) * 7, frame((4, 4)), MODEL, TIMINGS, scores)


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
