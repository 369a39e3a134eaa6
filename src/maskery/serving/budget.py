"""How the memory of ``--memory`` is shared: by the bare process, models, waiting pictures, pictures at work."""

import logging
from dataclasses import dataclass

from maskery.errors import ConfigError

log = logging.getLogger("maskery")

MIB = 1 << 20
FOR_MODELS = 0.5
"""Of what is left beside the bare process, at most this share may be taken by loaded models."""
FOR_WAITING = 0.2
"""Of all memory, for pictures that wait, as they came."""
LEAST_FOR_WORK = 48 * MIB
"""A photograph of a few megapixels must fit beside all else, or the server would refuse everything."""
TOGETHER = 192 * MIB
"""Without a limit: pictures that need more together than this are worked on one after the other."""


@dataclass(frozen=True)
class Budget:
    """All in bytes. ``base``: the process without models and pictures. ``models``: what they may take together."""

    memory: int
    base: int
    models: int
    waiting: int

    def work(self, models: int) -> int:
        """What is left for pictures at work while loaded models take ``models``."""
        return max(0, self.memory - self.base - models - self.waiting)


def share(memory: int, resident: int, models: int, max_waiting: int) -> Budget:
    """``resident``: of the process once its first ``models`` bytes of models are loaded; ``max_waiting``: the setting.

    Raises ``ConfigError`` where so little is left that no photograph would fit.
    """
    base = max(0, resident - models)
    waiting = min(max_waiting, int(memory * FOR_WAITING))
    budget = Budget(memory, base, max(models, int((memory - base - waiting) * FOR_MODELS)), waiting)
    if budget.work(models) < LEAST_FOR_WORK:
        least = base + models + LEAST_FOR_WORK
        raise ConfigError(
            f"memory is {memory // MIB} MiB; the process with its models takes {resident // MIB} MiB of it.",
            f"Give at least {int(least / (1 - FOR_WAITING)) // MIB + 1} MiB, or load fewer or smaller models.",
        )
    log.info(
        "memory: %d MiB, of these %d for the process, up to %d for models, %d for waiting pictures, %d for work now",
        *(part // MIB for part in (memory, base, budget.models, waiting, budget.work(models))),
    )
    return budget
