"""How the memory of ``--memory`` is shared, and how the allocator gives memory back.

By default glibc keeps freed blocks of up to 32 MB in as many arenas as there are threads: two callers with
12-megapixel pictures leave 280 MB. docs/adr/0007-memory-of-the-server.md has the figures. Other allocators are left as
they are.
"""

import logging
from dataclasses import dataclass

from maskery.core.errors import ConfigError
from maskery.core.process_memory import glibc

# From malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
# Above the activations of the built-in models: mapping those anew costs 50 % of a run.
MMAP_FROM_BYTES = 16 << 20


def settle_allocator() -> bool:
    """Two arenas, large blocks straight from the system. True where it took effect. For the owner of a process."""
    libc = glibc()
    if libc is None:
        return False
    settings = ((M_ARENA_MAX, 2), (M_MMAP_THRESHOLD, MMAP_FROM_BYTES), (M_TRIM_THRESHOLD, 2 * MMAP_FROM_BYTES))
    taken = [libc.mallopt(name, value) for name, value in settings]
    return taken == [1, 1, 1]


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
