"""Two models on the same tensors in turn: which is the quicker, and by how much."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from maskery.engine.preprocess import Tensor
from maskery.engine.session import Session

ROUNDS = 5


@dataclass(frozen=True)
class Race:
    """Medians: milliseconds of one run, and the ratio of each pair of runs that followed one another."""

    before_ms: float
    after_ms: float
    ratio: float


def race(before: Session, after: Session, tensors: Sequence[Tensor], rounds: int = ROUNDS) -> Race:
    """Run both on every tensor, ``rounds`` times, in alternating order; a first round is not counted.

    The two runs of a pair see the same machine, so their ratio can be trusted where other work blurs the milliseconds.
    """
    pairs: list[tuple[float, float]] = []
    for turn in range(rounds + 1):
        for i, tensor in enumerate(tensors):
            if (turn + i) % 2:
                second = _ms(after, tensor)
                pair = (_ms(before, tensor), second)
            else:
                pair = (_ms(before, tensor), _ms(after, tensor))
            if turn:
                pairs.append(pair)
    return Race(
        before_ms=statistics.median(a for a, _ in pairs),
        after_ms=statistics.median(b for _, b in pairs),
        ratio=statistics.median(a / b for a, b in pairs),
    )


def _ms(session: Session, tensor: Tensor) -> float:
    started = time.perf_counter()
    session.run(tensor)
    return (time.perf_counter() - started) * 1000
