"""How sure the model is of every pixel: maps from interpolated scores, all of them 0..1."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from maskery.core.arrays import Floats
from maskery.core.plan import Placement
from maskery.inference.upsample import resample
from maskery.inference.upsample.cells import Axis, lerp

# Scores that are worked on at once, some times over: they stay in the processor's cache.
BLOCK_SCORES = 1 << 17
LEAST_PROBABILITY = np.float32(1e-30)
LEAST_LOG = np.float32(-80)  # exp is ten times as slow where its result is below the smallest normal number


@dataclass(frozen=True)
class Evidence:
    """Probabilities divided by the highest one of their pixel.

    ``weights``: (C, ...), their highest is 1; ``logs``: (C, ...), the logarithms; ``total``: (...), the sum of weights.
    """

    weights: Floats
    logs: Floats
    total: Floats


def evidence(logits: Floats) -> Evidence:
    """(C, ...) logits, or logarithms of probabilities. They are overwritten."""
    logits -= logits.max(0)
    np.maximum(logits, LEAST_LOG, out=logits)
    weights: Floats = np.exp(logits)
    return Evidence(weights, logits, weights.sum(0))


def confidence(of: Evidence) -> Floats:
    """(...): the highest probability."""
    return np.reciprocal(of.total)


def entropy(of: Evidence) -> Floats:
    """(...): Shannon entropy divided by log(C): 0 = one class is certain, 1 = all are as likely."""
    if len(of.weights) == 1:
        return np.zeros_like(of.total)
    mean_log = np.einsum("c...,c...->...", of.weights, of.logs) / of.total
    share: Floats = (np.log(of.total) - mean_log) / np.float32(math.log(len(of.weights)))
    return np.clip(share, 0, 1, out=share)


def margin(of: Evidence) -> Floats:
    """(...): the highest probability less the second highest; of a single class, its probability."""
    best: Floats = of.weights[0].copy()
    second, lower = np.zeros_like(best), np.empty_like(best)
    for plane in of.weights[1:]:
        np.minimum(best, plane, out=lower)
        np.maximum(second, lower, out=second)
        np.maximum(best, plane, out=best)
    best -= second
    best /= of.total
    return best


CERTAINTY: dict[str, Callable[[Evidence], Floats]] = {"confidence": confidence, "entropy": entropy, "margin": margin}


def certainty_maps(scores: Floats, placement: Placement, names: Sequence[str], logits: bool) -> dict[str, Floats]:
    """``names`` of ``CERTAINTY``, each (H, W), at the original pixels of (C, h, w) ``scores``.

    ``logits``: whether the scores are logits; else they are probabilities, which are brought to the sum 1.
    """
    if not names:
        return {}
    return certainty_at(scores, *resample.axes(placement, (scores.shape[2], scores.shape[1])), names, logits)


def certainty_at(scores: Floats, x: Axis, y: Axis, names: Sequence[str], logits: bool) -> dict[str, Floats]:
    """``certainty_maps`` at the pixels of any two axes into ``scores``."""
    maps: dict[str, Floats] = {name: np.empty((len(y.low), len(x.low)), np.float32) for name in names}
    for rows, values in _blocks(scores, x, y) if names else ():
        if not logits:
            np.log(np.maximum(values, LEAST_PROBABILITY, out=values), out=values)
        found = evidence(values)
        for name, whole in maps.items():
            whole[rows] = CERTAINTY[name](found)
    return maps


def _blocks(scores: Floats, x: Axis, y: Axis) -> Iterator[tuple[slice, Floats]]:
    """Few rows of the original picture, with their interpolated scores (C, rows, W), at a time.

    They lie between the same two rows of ``scores``, which are interpolated along x once.
    """
    scores = np.ascontiguousarray(scores)
    step = max(1, BLOCK_SCORES // (len(scores) * len(x.low)))
    edges = [0, *(np.flatnonzero(np.diff(y.low)) + 1).tolist(), len(y.low)]
    for first, last in pairwise(edges):
        pair = (scores[:, y.low[first]], scores[:, y.high[first]])
        # Not row[:, x.low]: that would give the classes of a pixel side by side, and all that follows would be slow.
        above, below = (lerp(row.take(x.low, 1), row.take(x.high, 1), x.weight) for row in pair)
        slope = below - above
        for top in range(first, last, step):
            rows = slice(top, min(top + step, last))
            values = slope[:, None] * y.weight[rows, None]
            values += above[:, None]
            yield rows, values
