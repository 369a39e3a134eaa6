"""How sure the model is of every pixel: maps from the class probabilities, all of them 0..1."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def confidence(probabilities: Floats) -> Floats:
    """(C, ...) -> (...): the highest probability."""
    best: Floats = probabilities.max(0)
    return best


def entropy(probabilities: Floats) -> Floats:
    """(C, ...) -> (...): Shannon entropy divided by log(C): 0 = one class is certain, 1 = all are as likely."""
    if len(probabilities) == 1:
        return np.zeros(probabilities.shape[1:], np.float32)
    logs = np.log(np.maximum(probabilities, np.float32(1e-30)))
    total = np.einsum("c...,c...->...", probabilities, logs)
    share: Floats = np.clip(total / np.float32(-math.log(len(probabilities))), 0, 1)
    return share


def margin(probabilities: Floats) -> Floats:
    """(C, ...) -> (...): the highest probability less the second highest; of a single class, its probability."""
    best: Floats = probabilities[0].copy()
    second = np.zeros_like(best)
    for plane in probabilities[1:]:
        np.maximum(second, np.minimum(best, plane), out=second)
        np.maximum(best, plane, out=best)
    best -= second
    return best


CERTAINTY: dict[str, Callable[[Floats], Floats]] = {"confidence": confidence, "entropy": entropy, "margin": margin}
