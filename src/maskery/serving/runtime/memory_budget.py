"""How much memory the server may take, how that is shared, and how the allocator gives memory back.

By default glibc keeps freed blocks of up to 32 MB in as many arenas as there are threads: two callers with
12-megapixel pictures leave 280 MB. docs/adr/0007-memory-of-the-server.md has the figures. Other allocators are left as
they are.
"""

import gc
import logging
from dataclasses import dataclass

from maskery.core.errors import ConfigError
from maskery.core.process_memory import glibc
from maskery.core.settings import NO_LIMIT, parse_bytes
from maskery.serving.telemetry.status import LimitSource

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
    accepted = [libc.mallopt(name, value) for name, value in settings]
    return accepted == [1, 1, 1]


def settle_collector() -> None:
    """What is there now, the modules above all, is not looked through by the garbage collector again. For the owner."""
    gc.freeze()
    gc.enable()


log = logging.getLogger("maskery")

MIB = 1 << 20
MODELS_SHARE = 0.5
"""Loaded models may take at most this share of the memory beside the bare process."""
WAITING_SHARE = 0.2
"""Share of all memory for pictures that wait, as they came."""
EMBEDDINGS_SHARE = 0.25
"""Of what is left for work, the most for pictures that wait for the next click; only while a model takes clicks."""
MIN_WAITING_BYTES = 8 * MIB
"""Pictures that wait get at least this, where a fifth does not fit."""
MIN_WORK_BYTES = 48 * MIB
"""A photograph of a few megapixels must fit beside all else, or the server would refuse everything."""
UNLIMITED_WORK_BYTES = 192 * MIB
"""Without a limit: pictures that need more together than this are worked on one after the other."""


@dataclass(frozen=True)
class MemoryLimit:
    """What this process may take, in bytes, None for no limit, and where that was set."""

    bytes: int | None
    source: LimitSource


def memory_limit(setting: str, container: int | None = None) -> MemoryLimit:
    """The limit by the setting ``memory``, or else by the container (bytes; None where it has no limit).

    Raises ``ConfigError`` for a setting that is no size.
    """
    if setting == NO_LIMIT:
        return MemoryLimit(None, "none")
    if setting:
        return MemoryLimit(parse_bytes("memory", setting), "setting")
    return MemoryLimit(container, "container" if container else "none")


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

    def embeddings(self, models: int, most: int) -> int:
        """Of that, for pictures that wait for the next click; at most ``most``, the setting."""
        return min(most, int(self.work(models) * EMBEDDINGS_SHARE))


def share(limit: MemoryLimit, resident: int, models: int, max_waiting: int) -> Budget | None:
    """The shares of ``limit``; None where there is no limit.

    ``resident``: bytes of the process once its first ``models`` bytes of models are loaded; ``max_waiting``: the
    setting. Raises ``ConfigError`` where so little is left that no photograph would fit.
    """
    if limit.bytes is None:
        return None
    memory, base = limit.bytes, max(0, resident - models)
    least_waiting = min(max_waiting, MIN_WAITING_BYTES)
    least = base + models + least_waiting + MIN_WORK_BYTES
    if memory < least:
        whose = "The container's memory limit" if limit.source == "container" else "memory"
        cure = f"Give at least {-(-least // MIB)} MiB, or load fewer or smaller models"
        raise ConfigError(
            f"{whose} is {memory // MIB} MiB; the process with its models takes {resident // MIB} MiB of it.",
            f"{cure}, or serve without a limit (--memory none)." if limit.source == "container" else f"{cure}.",
        )
    waiting = max(least_waiting, min(max_waiting, int(memory * WAITING_SHARE), memory - base - models - MIN_WORK_BYTES))
    budget = Budget(memory, base, max(models, int((memory - base - waiting) * MODELS_SHARE)), waiting)
    log.info(
        "memory: %d MiB%s, of these %d for the process, up to %d for models, %d for waiting pictures, %d for work now",
        memory // MIB,
        " (the container's limit; --memory none switches it off)" if limit.source == "container" else "",
        *(part // MIB for part in (base, budget.models, waiting, budget.work(models))),
    )
    return budget
