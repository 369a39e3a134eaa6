"""What a run of a model takes, measured when it is loaded."""

import numpy as np

from maskery.engine import preprocess
from maskery.engine.memory_plan import RUN_BYTES, Footprint
from maskery.engine.session import Session
from maskery.model_card import ModelCard
from maskery.process_memory import give_back, peak_since_reset, reset_peak, resident_bytes

# Sizes of another shape take a little more a pixel than the one that is measured.
MARGIN = 1.2


def measure_footprint(session: Session, card: ModelCard) -> Footprint:
    """Run it at its own working size, before any other run: what that one left would be used again, and not seen.

    Other work in this process at the same time can only make it more.

    Where the system does not let its peak be reset, the run is put at ``RUN_BYTES``. Raises ``ModelError``.
    """
    placement = preprocess.place((640, 480), card.input)
    pixels = np.random.default_rng(0).integers(0, 256, (*placement.content_wh[::-1], 3), np.uint8)
    tensor = preprocess.to_tensor(pixels, placement, card.input)
    working = placement.working_wh[0] * placement.working_wh[1]
    give_back()
    measured = reset_peak()
    before = resident_bytes()
    output = session.run(tensor, keep=False)
    took = (peak_since_reset() - before) / working if measured else RUN_BYTES
    each = output.nbytes / working
    return Footprint(max(MARGIN * took, 2 * each), each)
