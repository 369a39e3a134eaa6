"""What a run of a model takes, and whether pictures of one size are faster together: measured when it is loaded.

On two processor cores a batch of four takes 1.5 times as long a picture as four runs (ADR 0009), because the
activations leave the cache; an accelerator gains. So it is tried with the very model on the very device.
"""

import time
from collections.abc import Mapping

import numpy as np

from maskery.core.arrays import Array
from maskery.core.card import ModelCard
from maskery.core.errors import ModelError
from maskery.core.process_memory import give_back, peak_since_reset, reset_peak, resident_bytes
from maskery.inference import preprocess
from maskery.inference.planning.memory_plan import RUN_BYTES, Footprint
from maskery.inference.runtimes.base import Session

# Sizes of another shape take a little more a pixel than the one that is measured.
MARGIN = 1.2


def measure_footprint(session: Session, card: ModelCard) -> Footprint:
    """Run it at its own working size, before any other run: what that one left would be used again, and not seen.

    Other work in this process at the same time can only make it more.

    Where the system does not let its peak be reset, the run is put at ``RUN_BYTES``. Raises ``ModelError``.
    """
    tensor, working = _sample(card)
    give_back()
    measured = reset_peak()
    before = resident_bytes()
    outputs = session.run({card.input.tensor: tensor}, keep=False)
    took = (peak_since_reset() - before) / working if measured else RUN_BYTES
    each = sum(output.nbytes for output in outputs.values()) / working
    return Footprint(max(MARGIN * took, 2 * each), each)


TRIED = 2  # pictures together: what gains shows with two, and four would need twice the memory at the start
GAIN = 0.9  # of a single run's time, for a batch to be worth waiting for company
SLOW_MS = 250.0  # a run that takes longer is timed only once
HOPELESS = 1.1  # of the single runs' time: a batch that took so long on a processor is not run again
BRIEF_MS = 10.0  # other work on the machine may double a run that takes less: no one run of it says enough


def measure_batch(session: Session, card: ModelCard, most: int) -> tuple[int, dict[int, float]]:
    """(pictures that go together, {batch size: milliseconds a picture}), at most ``most`` together.

    1 where batches do not gain, the model has a fixed batch axis, or ``most`` is 1. The best of three runs of each
    counts, but of one where that says enough. What they took is given back. Raises ``ModelError``.
    """
    if most < 2 or not session.batches:
        return 1, {}
    tensor, size = _sample(card)[0], min(TRIED, most)
    one = {card.input.tensor: tensor}
    together = {card.input.tensor: np.concatenate([tensor] * size)}
    try:
        single, batch = _milliseconds(session, one), _milliseconds(session, together)
        hopeless = HOPELESS * size if session.device == "cpu" and single > BRIEF_MS else float("inf")
        if single <= SLOW_MS and batch <= hopeless * single:
            single = min(single, _milliseconds(session, one), _milliseconds(session, one))
        for _ in range(2):
            if batch <= min(SLOW_MS, hopeless * single):
                batch = min(batch, _milliseconds(session, together))
        single = min(single, _milliseconds(session, one, keep=False))
    except ModelError:
        return 1, {}  # its batch axis is dynamic in name only
    return most if batch / size < GAIN * single else 1, {1: round(single, 2), size: round(batch / size, 2)}


def _sample(card: ModelCard) -> tuple[Array, int]:
    """The input tensor of a picture without meaning, and its working pixels."""
    placement = preprocess.place((640, 480), card.input)
    width, height = placement.content_wh
    pixels = np.arange(height * width * 3, dtype=np.uint32).astype(np.uint8).reshape(height, width, 3)
    tensor = preprocess.to_tensor(pixels, placement, card.input)
    return tensor, placement.working_wh[0] * placement.working_wh[1]


def _milliseconds(session: Session, inputs: Mapping[str, Array], keep: bool = True) -> float:
    started = time.perf_counter()
    session.run(inputs, keep)
    return (time.perf_counter() - started) * 1000
