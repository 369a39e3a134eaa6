"""The numbers themselves as a .npy file, for ``numpy.load``."""

import io

import numpy as np
from numpy.typing import NDArray

from maskery.result import ClassificationResult, ForegroundResult, Result


def encode_npy(result: Result) -> bytes:
    """.npy bytes: class ids (H, W) uint8 or uint16; the soft mask (H, W) float32, 0..1; class scores (C,) float32."""
    file = io.BytesIO()
    np.save(file, _numbers(result), allow_pickle=False)
    return file.getvalue()


def _numbers(result: Result) -> NDArray[np.generic]:
    if isinstance(result, ForegroundResult):
        return result.alpha / np.float32(255)
    if isinstance(result, ClassificationResult):
        return result.scores
    return result.class_map
